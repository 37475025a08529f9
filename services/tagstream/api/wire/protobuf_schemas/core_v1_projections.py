"""Field tables of core/v1: volumes whose files come from other objects."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_references import LOCAL_OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.meta_v1 import LABEL_SELECTOR
from tagstream.api.wire.protobuf_schemas.model import (
    inline,
    message,
    optional_boolean,
    optional_int32,
    optional_int64,
    optional_string,
    pointer,
    quantity,
    string,
    string_map,
    structs,
)

KEY_TO_PATH: Final = message(
    "KeyToPath",
    string(1, "key", shown=True),
    string(2, "path", shown=True),
    optional_int32(3, "mode"),
    optional_int64(4, "user"),
)
SECRET_VOLUME_SOURCE: Final = message(
    "SecretVolumeSource",
    string(1, "secretName"),
    structs(2, "items", KEY_TO_PATH),
    optional_int32(3, "defaultMode"),
    optional_boolean(4, "optional"),
    optional_int64(5, "defaultUser"),
)
OBJECT_FIELD_SELECTOR: Final = message(
    "ObjectFieldSelector",
    string(1, "apiVersion"),
    string(2, "fieldPath", shown=True),
)
RESOURCE_FIELD_SELECTOR: Final = message(
    "ResourceFieldSelector",
    string(1, "containerName"),
    string(2, "resource", shown=True),
    quantity(3, "divisor"),
)
DOWNWARD_API_VOLUME_FILE: Final = message(
    "DownwardAPIVolumeFile",
    string(1, "path", shown=True),
    pointer(2, "fieldRef", OBJECT_FIELD_SELECTOR),
    pointer(3, "resourceFieldRef", RESOURCE_FIELD_SELECTOR),
    optional_int32(4, "mode"),
    optional_int64(5, "user"),
)
DOWNWARD_API_VOLUME_SOURCE: Final = message(
    "DownwardAPIVolumeSource",
    structs(1, "items", DOWNWARD_API_VOLUME_FILE),
    optional_int32(2, "defaultMode"),
    optional_int64(3, "defaultUser"),
)
CONFIG_MAP_VOLUME_SOURCE: Final = message(
    "ConfigMapVolumeSource",
    inline(1, LOCAL_OBJECT_REFERENCE),
    structs(2, "items", KEY_TO_PATH),
    optional_int32(3, "defaultMode"),
    optional_boolean(4, "optional"),
    optional_int64(5, "defaultUser"),
)
SECRET_PROJECTION: Final = message(
    "SecretProjection",
    inline(1, LOCAL_OBJECT_REFERENCE),
    structs(2, "items", KEY_TO_PATH),
    optional_boolean(4, "optional"),
)
DOWNWARD_API_PROJECTION: Final = message(
    "DownwardAPIProjection",
    structs(1, "items", DOWNWARD_API_VOLUME_FILE),
)
CONFIG_MAP_PROJECTION: Final = message(
    "ConfigMapProjection",
    inline(1, LOCAL_OBJECT_REFERENCE),
    structs(2, "items", KEY_TO_PATH),
    optional_boolean(4, "optional"),
)
SERVICE_ACCOUNT_TOKEN_PROJECTION: Final = message(
    "ServiceAccountTokenProjection",
    string(1, "audience"),
    optional_int64(2, "expirationSeconds"),
    string(3, "path", shown=True),
    optional_int64(4, "user"),
)
CLUSTER_TRUST_BUNDLE_PROJECTION: Final = message(
    "ClusterTrustBundleProjection",
    optional_string(1, "name"),
    optional_string(2, "signerName"),
    pointer(3, "labelSelector", LABEL_SELECTOR),
    string(4, "path", shown=True),
    optional_boolean(5, "optional"),
    optional_int64(6, "user"),
)
POD_CERTIFICATE_PROJECTION: Final = message(
    "PodCertificateProjection",
    string(1, "signerName"),
    string(2, "keyType"),
    optional_int32(3, "maxExpirationSeconds"),
    string(4, "credentialBundlePath"),
    string(5, "keyPath"),
    string(6, "certificateChainPath"),
    string_map(7, "userAnnotations"),
    optional_int64(8, "user"),
)
VOLUME_PROJECTION: Final = message(
    "VolumeProjection",
    pointer(1, "secret", SECRET_PROJECTION),
    pointer(2, "downwardAPI", DOWNWARD_API_PROJECTION),
    pointer(3, "configMap", CONFIG_MAP_PROJECTION),
    pointer(4, "serviceAccountToken", SERVICE_ACCOUNT_TOKEN_PROJECTION),
    pointer(5, "clusterTrustBundle", CLUSTER_TRUST_BUNDLE_PROJECTION),
    pointer(6, "podCertificate", POD_CERTIFICATE_PROJECTION),
)
PROJECTED_VOLUME_SOURCE: Final = message(
    "ProjectedVolumeSource",
    structs(1, "sources", VOLUME_PROJECTION, shown=True),
    optional_int32(2, "defaultMode"),
    optional_int64(3, "defaultUser"),
)
