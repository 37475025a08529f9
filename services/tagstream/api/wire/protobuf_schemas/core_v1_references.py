"""Field tables of core/v1: how objects name each other."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.model import message, optional_string, string

LOCAL_OBJECT_REFERENCE: Final = message("LocalObjectReference", string(1, "name"))
OBJECT_REFERENCE: Final = message(
    "ObjectReference",
    string(1, "kind"),
    string(2, "namespace"),
    string(3, "name"),
    string(4, "uid"),
    string(5, "apiVersion"),
    string(6, "resourceVersion"),
    string(7, "fieldPath"),
)
TYPED_LOCAL_OBJECT_REFERENCE: Final = message(
    "TypedLocalObjectReference",
    optional_string(1, "apiGroup"),
    string(2, "kind", shown=True),
    string(3, "name", shown=True),
)
TYPED_OBJECT_REFERENCE: Final = message(
    "TypedObjectReference",
    optional_string(1, "apiGroup"),
    string(2, "kind", shown=True),
    string(3, "name", shown=True),
    optional_string(4, "namespace"),
)
