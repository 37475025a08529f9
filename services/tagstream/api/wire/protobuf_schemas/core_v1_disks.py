"""Field tables of core/v1: volumes that a storage system or a cloud provides."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_references import LOCAL_OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    int32,
    message,
    optional_boolean,
    optional_int32,
    optional_string,
    pointer,
    string,
    string_map,
    strings,
)

GCE_PERSISTENT_DISK_VOLUME_SOURCE: Final = message(
    "GCEPersistentDiskVolumeSource",
    string(1, "pdName", shown=True),
    string(2, "fsType"),
    int32(3, "partition"),
    boolean(4, "readOnly"),
)
AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE: Final = message(
    "AWSElasticBlockStoreVolumeSource",
    string(1, "volumeID", shown=True),
    string(2, "fsType"),
    int32(3, "partition"),
    boolean(4, "readOnly"),
)
NFS_VOLUME_SOURCE: Final = message(
    "NFSVolumeSource",
    string(1, "server", shown=True),
    string(2, "path", shown=True),
    boolean(3, "readOnly"),
)
ISCSI_VOLUME_SOURCE: Final = message(
    "ISCSIVolumeSource",
    string(1, "targetPortal", shown=True),
    string(2, "iqn", shown=True),
    int32(3, "lun", shown=True),
    string(4, "iscsiInterface"),
    string(5, "fsType"),
    boolean(6, "readOnly"),
    strings(7, "portals"),
    boolean(8, "chapAuthDiscovery"),
    pointer(10, "secretRef", LOCAL_OBJECT_REFERENCE),
    boolean(11, "chapAuthSession"),
    optional_string(12, "initiatorName"),
)
GLUSTERFS_VOLUME_SOURCE: Final = message(
    "GlusterfsVolumeSource",
    string(1, "endpoints", shown=True),
    string(2, "path", shown=True),
    boolean(3, "readOnly"),
)
RBD_VOLUME_SOURCE: Final = message(
    "RBDVolumeSource",
    strings(1, "monitors", shown=True),
    string(2, "image", shown=True),
    string(3, "fsType"),
    string(4, "pool"),
    string(5, "user"),
    string(6, "keyring"),
    pointer(7, "secretRef", LOCAL_OBJECT_REFERENCE),
    boolean(8, "readOnly"),
)
FLEX_VOLUME_SOURCE: Final = message(
    "FlexVolumeSource",
    string(1, "driver", shown=True),
    string(2, "fsType"),
    pointer(3, "secretRef", LOCAL_OBJECT_REFERENCE),
    boolean(4, "readOnly"),
    string_map(5, "options"),
)
CINDER_VOLUME_SOURCE: Final = message(
    "CinderVolumeSource",
    string(1, "volumeID", shown=True),
    string(2, "fsType"),
    boolean(3, "readOnly"),
    pointer(4, "secretRef", LOCAL_OBJECT_REFERENCE),
)
CEPH_FS_VOLUME_SOURCE: Final = message(
    "CephFSVolumeSource",
    strings(1, "monitors", shown=True),
    string(2, "path"),
    string(3, "user"),
    string(4, "secretFile"),
    pointer(5, "secretRef", LOCAL_OBJECT_REFERENCE),
    boolean(6, "readOnly"),
)
FLOCKER_VOLUME_SOURCE: Final = message(
    "FlockerVolumeSource",
    string(1, "datasetName"),
    string(2, "datasetUUID"),
)
FC_VOLUME_SOURCE: Final = message(
    "FCVolumeSource",
    strings(1, "targetWWNs"),
    optional_int32(2, "lun"),
    string(3, "fsType"),
    boolean(4, "readOnly"),
    strings(5, "wwids"),
)
AZURE_FILE_VOLUME_SOURCE: Final = message(
    "AzureFileVolumeSource",
    string(1, "secretName", shown=True),
    string(2, "shareName", shown=True),
    boolean(3, "readOnly"),
)
VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE: Final = message(
    "VsphereVirtualDiskVolumeSource",
    string(1, "volumePath", shown=True),
    string(2, "fsType"),
    string(3, "storagePolicyName"),
    string(4, "storagePolicyID"),
)
QUOBYTE_VOLUME_SOURCE: Final = message(
    "QuobyteVolumeSource",
    string(1, "registry", shown=True),
    string(2, "volume", shown=True),
    boolean(3, "readOnly"),
    string(4, "user"),
    string(5, "group"),
    string(6, "tenant"),
)
AZURE_DISK_VOLUME_SOURCE: Final = message(
    "AzureDiskVolumeSource",
    string(1, "diskName", shown=True),
    string(2, "diskURI", shown=True),
    optional_string(3, "cachingMode"),
    optional_string(4, "fsType"),
    optional_boolean(5, "readOnly"),
    optional_string(6, "kind"),
)
PHOTON_PERSISTENT_DISK_VOLUME_SOURCE: Final = message(
    "PhotonPersistentDiskVolumeSource",
    string(1, "pdID", shown=True),
    string(2, "fsType"),
)
PORTWORX_VOLUME_SOURCE: Final = message(
    "PortworxVolumeSource",
    string(1, "volumeID", shown=True),
    string(2, "fsType"),
    boolean(3, "readOnly"),
)
SCALE_IO_VOLUME_SOURCE: Final = message(
    "ScaleIOVolumeSource",
    string(1, "gateway", shown=True),
    string(2, "system", shown=True),
    pointer(3, "secretRef", LOCAL_OBJECT_REFERENCE),
    boolean(4, "sslEnabled"),
    string(5, "protectionDomain"),
    string(6, "storagePool"),
    string(7, "storageMode"),
    string(8, "volumeName"),
    string(9, "fsType"),
    boolean(10, "readOnly"),
)
STORAGE_OS_VOLUME_SOURCE: Final = message(
    "StorageOSVolumeSource",
    string(1, "volumeName"),
    string(2, "volumeNamespace"),
    string(3, "fsType"),
    boolean(4, "readOnly"),
    pointer(5, "secretRef", LOCAL_OBJECT_REFERENCE),
)
