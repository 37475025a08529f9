"""The workloads that follow one tag, trigger by trigger, for somebody who wants to see them all.

What the trigger-dispatcher reads to react is in workload_triggers.py, which owns the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection


@dataclass(frozen=True, slots=True)
class TagFollower:
    """One trigger of one workload. `image` is the container's as last seen, `container` empty when
    the trigger's path finds none. `failures` counts failed patches in a row; with some and no
    `retry_at` it was given up until the workload or the tag changes."""

    cluster: str
    api_version: str
    kind: str
    namespace: str
    name: str
    field_path: str
    container: str
    image: str
    paused: bool
    failures: int
    retry_at: datetime | None
    observed_at: datetime


_FOLLOWERS = """
    SELECT cluster, api_version, kind, namespace, name, field_path, container, image, paused,
           failures, retry_at, observed_at
    FROM workload_triggers
    WHERE stream_namespace = $1 AND stream = $2 AND tag = $3
    ORDER BY cluster, namespace, kind, name, field_path LIMIT $4
"""


_AT_ONCE = 500


async def list_tag_followers(
    connection: Connection,
    namespace: str,
    stream: str,
    tag: str,
    may_see: Callable[[TagFollower], bool],
    *,
    look_at: int,
    limit: int,
) -> tuple[list[TagFollower], bool]:
    """Triggers on the tag in every cluster, paused ones too, by cluster, namespace and name; and
    whether there may be more of them. Use it in a transaction.

    `may_see` chooses before they are counted; no more than `look_at` are looked at.
    """
    cursor = await connection.cursor(_FOLLOWERS, namespace, stream, tag, look_at)
    found: list[TagFollower] = []
    looked = 0
    while len(found) <= limit and (rows := await cursor.fetch(_AT_ONCE)):
        looked += len(rows)
        found += filter(may_see, (TagFollower(*row.values()) for row in rows))
    return found[:limit], len(found) > limit or looked >= look_at
