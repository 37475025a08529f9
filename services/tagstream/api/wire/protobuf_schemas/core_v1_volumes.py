"""Field tables of core/v1: the volumes of a pod."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_claims import PERSISTENT_VOLUME_CLAIM_TEMPLATE
from tagstream.api.wire.protobuf_schemas.core_v1_disks import (
    AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE,
    AZURE_DISK_VOLUME_SOURCE,
    AZURE_FILE_VOLUME_SOURCE,
    CEPH_FS_VOLUME_SOURCE,
    CINDER_VOLUME_SOURCE,
    FC_VOLUME_SOURCE,
    FLEX_VOLUME_SOURCE,
    FLOCKER_VOLUME_SOURCE,
    GCE_PERSISTENT_DISK_VOLUME_SOURCE,
    GLUSTERFS_VOLUME_SOURCE,
    ISCSI_VOLUME_SOURCE,
    NFS_VOLUME_SOURCE,
    PHOTON_PERSISTENT_DISK_VOLUME_SOURCE,
    PORTWORX_VOLUME_SOURCE,
    QUOBYTE_VOLUME_SOURCE,
    RBD_VOLUME_SOURCE,
    SCALE_IO_VOLUME_SOURCE,
    STORAGE_OS_VOLUME_SOURCE,
    VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE,
)
from tagstream.api.wire.protobuf_schemas.core_v1_projections import (
    CONFIG_MAP_VOLUME_SOURCE,
    DOWNWARD_API_VOLUME_SOURCE,
    PROJECTED_VOLUME_SOURCE,
    SECRET_VOLUME_SOURCE,
)
from tagstream.api.wire.protobuf_schemas.core_v1_references import LOCAL_OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    inline,
    message,
    optional_boolean,
    optional_int32,
    optional_quantity,
    optional_string,
    pointer,
    string,
    string_map,
)

HOST_PATH_VOLUME_SOURCE: Final = message(
    "HostPathVolumeSource",
    string(1, "path", shown=True),
    optional_string(2, "type"),
)
EMPTY_DIR_VOLUME_SOURCE: Final = message(
    "EmptyDirVolumeSource",
    string(1, "medium"),
    optional_quantity(2, "sizeLimit"),
    optional_int32(3, "mode"),
)
GIT_REPO_VOLUME_SOURCE: Final = message(
    "GitRepoVolumeSource",
    string(1, "repository", shown=True),
    string(2, "revision"),
    string(3, "directory"),
)
PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Final = message(
    "PersistentVolumeClaimVolumeSource",
    string(1, "claimName", shown=True),
    boolean(2, "readOnly"),
)
CSI_VOLUME_SOURCE: Final = message(
    "CSIVolumeSource",
    string(1, "driver", shown=True),
    optional_boolean(2, "readOnly"),
    optional_string(3, "fsType"),
    string_map(4, "volumeAttributes"),
    pointer(5, "nodePublishSecretRef", LOCAL_OBJECT_REFERENCE),
)
EPHEMERAL_VOLUME_SOURCE: Final = message(
    "EphemeralVolumeSource",
    pointer(1, "volumeClaimTemplate", PERSISTENT_VOLUME_CLAIM_TEMPLATE),
)
IMAGE_VOLUME_SOURCE: Final = message(
    "ImageVolumeSource",
    string(1, "reference"),
    string(2, "pullPolicy"),
)
VOLUME_SOURCE: Final = message(
    "VolumeSource",
    pointer(1, "hostPath", HOST_PATH_VOLUME_SOURCE),
    pointer(2, "emptyDir", EMPTY_DIR_VOLUME_SOURCE),
    pointer(3, "gcePersistentDisk", GCE_PERSISTENT_DISK_VOLUME_SOURCE),
    pointer(4, "awsElasticBlockStore", AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE),
    pointer(5, "gitRepo", GIT_REPO_VOLUME_SOURCE),
    pointer(6, "secret", SECRET_VOLUME_SOURCE),
    pointer(7, "nfs", NFS_VOLUME_SOURCE),
    pointer(8, "iscsi", ISCSI_VOLUME_SOURCE),
    pointer(9, "glusterfs", GLUSTERFS_VOLUME_SOURCE),
    pointer(10, "persistentVolumeClaim", PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE),
    pointer(11, "rbd", RBD_VOLUME_SOURCE),
    pointer(12, "flexVolume", FLEX_VOLUME_SOURCE),
    pointer(13, "cinder", CINDER_VOLUME_SOURCE),
    pointer(14, "cephfs", CEPH_FS_VOLUME_SOURCE),
    pointer(15, "flocker", FLOCKER_VOLUME_SOURCE),
    pointer(16, "downwardAPI", DOWNWARD_API_VOLUME_SOURCE),
    pointer(17, "fc", FC_VOLUME_SOURCE),
    pointer(18, "azureFile", AZURE_FILE_VOLUME_SOURCE),
    pointer(19, "configMap", CONFIG_MAP_VOLUME_SOURCE),
    pointer(20, "vsphereVolume", VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE),
    pointer(21, "quobyte", QUOBYTE_VOLUME_SOURCE),
    pointer(22, "azureDisk", AZURE_DISK_VOLUME_SOURCE),
    pointer(23, "photonPersistentDisk", PHOTON_PERSISTENT_DISK_VOLUME_SOURCE),
    pointer(24, "portworxVolume", PORTWORX_VOLUME_SOURCE),
    pointer(25, "scaleIO", SCALE_IO_VOLUME_SOURCE),
    pointer(26, "projected", PROJECTED_VOLUME_SOURCE),
    pointer(27, "storageos", STORAGE_OS_VOLUME_SOURCE),
    pointer(28, "csi", CSI_VOLUME_SOURCE),
    pointer(29, "ephemeral", EPHEMERAL_VOLUME_SOURCE),
    pointer(30, "image", IMAGE_VOLUME_SOURCE),
)
VOLUME: Final = message(
    "Volume",
    string(1, "name", shown=True),
    inline(2, VOLUME_SOURCE),
)
