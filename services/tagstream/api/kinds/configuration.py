"""Secrets, config maps and service accounts."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

import orjson

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import AGE, NAME, age_of, cell, name_of, text
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.wire.field_errors import (
    FieldError,
    forbidden_value,
    invalid_value,
    required_value,
    too_long_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_data_key
from tagstream.api.wire.status import bad_request
from tagstream.api.wire.table import Cell

_MAX_BYTES = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"
_REDACTED = "<secret contents redacted>"
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_REQUIRED_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_BASIC_KEYS = ("username", "password")


def _default_secret(item: JsonObject) -> None:
    item.setdefault("type", "Opaque")
    for key, value in (item.pop("stringData", None) or {}).items():
        plain = value.encode()
        item.setdefault("data", {})[key] = base64.b64encode(plain).decode()
    for value in (item.get("data") or {}).values():
        _decode(value)
    if not item.get("data"):
        item.pop("data", None)


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise bad_request(
            'Secret in version "v1" cannot be handled as a Secret: '
            f"illegal base64 data at input byte {_first_illegal(value)}"
        ) from error


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _first_illegal(value: str) -> int:
    for index, char in enumerate(value):
        if char not in _BASE64:
            return index
    return len(value) - len(value) % 4


def _validate_secret(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    data = new.get("data") or {}
    errors = _validate_keys(data, "data")
    if sum(len(_decode(value)) for value in data.values()) > _MAX_BYTES:
        errors.append(too_long_value("data", _MAX_BYTES))
    errors += _validate_type(new, data)
    if old is not None:
        if new["type"] != old["type"]:
            errors.append(invalid_value("type", new["type"], "field is immutable"))
        errors += _validate_immutable(new, old, ("data",))
    return errors


def _validate_type(new: JsonObject, data: JsonObject) -> list[FieldError]:
    kind = new["type"]
    errors = [
        required_value(f"data[{key}]") for key in _REQUIRED_KEYS.get(kind, ()) if not data.get(key)
    ]
    if kind == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC_KEYS):
        errors += [required_value(f"data[{key}]") for key in _BASIC_KEYS]
    if kind in ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg") and not errors:
        errors += _validate_json(data, _REQUIRED_KEYS[kind][0])
    if kind == "kubernetes.io/service-account-token":
        annotations = new["metadata"].get("annotations") or {}
        if not annotations.get(_SERVICE_ACCOUNT):
            errors.append(required_value(f"metadata.annotations[{_SERVICE_ACCOUNT}]"))
    return errors


def _validate_json(data: JsonObject, key: str) -> list[FieldError]:
    try:
        orjson.loads(_decode(data[key]))
    except orjson.JSONDecodeError:
        return [invalid_value(f"data[{key}]", _REDACTED, "must be valid JSON")]
    return []


def _validate_keys(data: JsonObject, path: str) -> list[FieldError]:
    return [
        invalid_value(f"{path}[{key}]", key, complaint)
        for key in data
        for complaint in check_data_key(key)
    ]


def _validate_immutable(
    new: JsonObject, old: JsonObject, paths: tuple[str, ...]
) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [forbidden_value("immutable", _IMMUTABLE)]
    changed = [path for path in paths if (new.get(path) or {}) != (old.get(path) or {})]
    return errors + [forbidden_value(path, _IMMUTABLE) for path in changed]


def _validate_config_map(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    data, binary = new.get("data") or {}, new.get("binaryData") or {}
    errors = _validate_keys(data, "data") + _validate_keys(binary, "binaryData")
    for key in data.keys() & binary.keys():
        errors.append(invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
    size_bytes = sum(len(value.encode()) for value in [*data.values(), *binary.values()])
    if size_bytes > _MAX_BYTES:
        errors.append(too_long_value("", _MAX_BYTES))
    if old is not None:
        errors += _validate_immutable(new, old, ("data", "binaryData"))
    return errors


def _secret_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    return name_of(item), cell(item.get("type")), len(item.get("data") or {}), age_of(item, now)


def _config_map_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    count = len(item.get("data") or {}) + len(item.get("binaryData") or {})
    return name_of(item), count, age_of(item, now)


def _account_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    return name_of(item), len(item.get("secrets") or []), age_of(item, now)


SECRETS = GenericKind(
    Kind(
        "",
        "v1",
        "secrets",
        "Secret",
        "secret",
        namespaced=True,
        table=TableFormat((NAME, text("Type"), text("Data"), AGE), _secret_cells),
        selectable_fields=("type",),
        schema="io.k8s.api.core.v1.Secret",
    ),
    Rules(default=_default_secret, validate=_validate_secret, sealed=True),
)
CONFIG_MAPS = GenericKind(
    Kind(
        "",
        "v1",
        "configmaps",
        "ConfigMap",
        "configmap",
        namespaced=True,
        short_names=("cm",),
        table=TableFormat((NAME, text("Data"), AGE), _config_map_cells),
        schema="io.k8s.api.core.v1.ConfigMap",
    ),
    Rules(validate=_validate_config_map),
)
SERVICE_ACCOUNTS = GenericKind(
    Kind(
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        "serviceaccount",
        namespaced=True,
        short_names=("sa",),
        table=TableFormat((NAME, text("Secrets"), AGE), _account_cells),
        schema="io.k8s.api.core.v1.ServiceAccount",
    ),
    Rules(),
)
