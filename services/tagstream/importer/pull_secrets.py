"""The registry logins of a namespace, read by the importer itself and never sent to it.

Owns opening sealed Secrets; what their bodies mean is credentials.py.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import orjson
import structlog

from tagstream.errors import InvalidInput
from tagstream.importer.credentials import (
    DOCKER_CONFIG_JSON_TYPE,
    DOCKER_CONFIG_TYPE,
    PullSecret,
)
from tagstream.store.database import Connection
from tagstream.store.resources import Resource, list_resources
from tagstream.store.sealing import Sealer

_log = structlog.get_logger(__name__)

_KEYS = {DOCKER_CONFIG_TYPE: ".dockercfg", DOCKER_CONFIG_JSON_TYPE: ".dockerconfigjson"}


async def load_pull_secrets(
    connection: Connection, namespace: str, sealer: Sealer | None
) -> tuple[PullSecret, ...]:
    """The Secrets of a namespace that hold registry logins, by name (§1.11).

    One that cannot be opened comes with data that cannot be parsed, so that imports fail with its
    name instead of going on as somebody else.
    """
    stored = await list_resources(connection, "", "secrets", namespace=namespace)
    return tuple(_to_pull_secret(one, sealer) for one in stored if _holds_logins(one))


def _holds_logins(stored: Resource) -> bool:
    return stored.body.get("type") in _KEYS or any(
        key in _keys_of(stored) for key in _KEYS.values()
    )


def _keys_of(stored: Resource) -> list[str]:
    sealed = cast("dict[str, Any]", stored.body.get("sealed") or {})
    return list(sealed.get("keys") or ())


def _to_pull_secret(stored: Resource, sealer: Sealer | None) -> PullSecret:
    kind = str(stored.body.get("type") or "Opaque")
    metadata = cast("dict[str, Any]", stored.body.get("metadata") or {})
    secret = PullSecret(
        stored.name, kind, dict.fromkeys(_keys_of(stored), b""), metadata.get("annotations") or {}
    )
    if not secret.is_usable:
        return secret
    return PullSecret(stored.name, kind, _open(stored, kind, sealer), secret.annotations)


def _open(stored: Resource, kind: str, sealer: Sealer | None) -> Mapping[str, bytes]:
    if stored.sealed is None:
        return {}
    try:
        if sealer is None:
            raise InvalidInput("TAGSTREAM_SECRET_KEY_FILE", "must be set to read pull secrets")
        data = orjson.loads(sealer.unseal(stored.sealed, stored.uid))
        return {key: base64.b64decode(value or "") for key, value in data.items()}
    except (InvalidInput, ValueError, binascii.Error) as error:
        # Only our own error is told: a decoder's may hold what it could not decode.
        reason = str(error) if isinstance(error, InvalidInput) else "its data is not base64"
        _log.error(
            "pull secret not readable", namespace=stored.namespace, name=stored.name, reason=reason
        )
        return {_KEYS[kind]: b""}


async def read_global_pull_secret(path: Path | None) -> bytes | None:
    """The node-wide logins; None when there is no such file. A file that cannot be read counts as
    a broken one."""
    if path is None:
        return None
    try:
        return await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.error("global pull secret not readable", path=str(path), error=error.strerror)
        return b""
