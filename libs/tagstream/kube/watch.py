"""Following a kind: one endless sequence of changes over many watch connections.

Owns resuming: every connection starts where the last one ended. When the server no longer knows
that place, `Expired` is raised and the caller lists again. Owns no cache of objects.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum

import aiohttp
import orjson

from tagstream.errors import Upstream
from tagstream.kube.client import KubeClient, KubeObject
from tagstream.kube.errors import Expired, classify_answer
from tagstream.kube.resources import ResourceType

_MAX_EVENT_BYTES = 4 * 1024 * 1024
_CONNECTION_S = 300
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0


class WatchType(Enum):
    """What happened to the object; a bookmark only moves the version on."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change; `object` is the state after it, for DELETED the last state."""

    type: WatchType
    object: KubeObject
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """`idle_s`: silence after which the connection counts as dead; `attempts`: failed connections
    in a row after which `watch` gives up."""

    idle_s: float = 90.0
    attempts: int = 6
    first_delay_s: float = _FIRST_DELAY_S


async def watch(
    client: KubeClient,
    resource: ResourceType,
    resource_version: str,
    namespace: str | None = None,
    policy: WatchPolicy | None = None,
) -> AsyncGenerator[WatchEvent, None]:
    """Every change after `resource_version`, in order, for ever.

    Raises Expired when the server has forgotten that version, and Upstream when it refuses or is
    away for `policy.attempts` connections in a row.
    """
    policy = policy or WatchPolicy()
    version, failures = resource_version, 0
    while True:
        try:
            connection = _one_connection(client, resource, version, namespace, policy.idle_s)
            async with aclosing(connection):
                async for event in connection:
                    version, failures = event.resource_version or version, 0
                    yield event
        except Upstream as error:
            failures += 1
            if not error.transient or failures >= policy.attempts:
                raise
            delay = min(_LONGEST_DELAY_S, policy.first_delay_s * 2 ** (failures - 1))
            await asyncio.sleep(max(delay * random.uniform(0.5, 1.0), error.retry_after_s or 0))
        else:
            # A server that ends every watch at once must not be asked in a tight loop.
            await asyncio.sleep(policy.first_delay_s / 4)


async def _one_connection(
    client: KubeClient, resource: ResourceType, version: str, namespace: str | None, idle_s: float
) -> AsyncGenerator[WatchEvent, None]:
    params = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(_CONNECTION_S),
    }
    path = resource.path(namespace)
    async with client.stream(path, params, idle_s=idle_s, total_s=_CONNECTION_S + 30) as content:
        try:
            async for line in _lines(content):
                yield _parse_event(line, path)
        except TimeoutError:
            # A quiet kind without bookmarks looks like a dead connection: a new one settles it.
            return


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    pending = bytearray()
    async for chunk in content.iter_any():
        pending += chunk
        if b"\n" in chunk:
            *lines, rest = pending.split(b"\n")
            pending = bytearray(rest)
            for line in lines:
                if line.strip():
                    yield bytes(line)
        if len(pending) > _MAX_EVENT_BYTES:
            raise Upstream(f"a watch event is larger than {_MAX_EVENT_BYTES} bytes")


def _parse_event(line: bytes, path: str) -> WatchEvent:
    try:
        document = orjson.loads(line)
        kind, found = document["type"], document["object"]
        if kind == "ERROR":
            raise _watch_error(found, path)
        version = found.get("metadata", {}).get("resourceVersion", "")
        return WatchEvent(WatchType(kind), found, str(version))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        # Cut off in the middle, or nonsense: the next connection starts from the last good event.
        raise Upstream(f"watch {path}: an event cannot be read", transient=True) from error


def _watch_error(status: object, path: str) -> Exception:
    code = status.get("code") if isinstance(status, dict) else None
    error = classify_answer(code if isinstance(code, int) else 500, orjson.dumps(status), path)
    return error if isinstance(error, Expired | Upstream) else Upstream(str(error), transient=True)
