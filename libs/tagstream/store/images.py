"""Images: immutable, one row a digest, journalled once.

An importer puts what it fetched into `manifest_cache`; whoever tags it promotes it from there to
`images` in the transaction that makes the tag, so a tag never names an image that is not there.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.errors import Conflict
from tagstream.images.image_object import GROUP, image_metadata, image_object
from tagstream.store.database import Connection, Row
from tagstream.store.journal import Change, ChangeType, Transaction

RESOURCE = "images"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as it is kept: `body` is the wire form without server-set metadata.

    `metadata` holds the labels and annotations, which alone may change.
    """

    digest: str
    uid: str
    version: int
    created_at: datetime
    metadata: Mapping[str, object]
    body: Mapping[str, object]


_COLUMNS = "digest, uid::text, version, created_at, metadata, body"
_GET = f"SELECT {_COLUMNS} FROM images WHERE digest = ANY ($1)"


async def load_images(connection: Connection, digests: Collection[str]) -> dict[str, StoredImage]:
    """The images that exist among `digests`."""
    rows = await connection.fetch(_GET, list(digests))
    return {row["digest"]: _from_row(row) for row in rows}


def _from_row(row: Row) -> StoredImage:
    return StoredImage(*row.values())


_LIST = f"SELECT {_COLUMNS} FROM images WHERE digest > $1 ORDER BY digest LIMIT $2"


async def list_images(connection: Connection, after: str, limit: int) -> list[StoredImage]:
    """Images by digest, after one."""
    return [_from_row(row) for row in await connection.fetch(_LIST, after, limit)]


@dataclass(frozen=True, slots=True)
class CachedImage:
    """A verified image that was fetched and may not be tagged yet."""

    digest: str
    body: Mapping[str, object]
    manifest: bytes
    config: bytes


# Whoever reads a digest that was just fetched has at least half of the day.
_FRESH = """
    SELECT digest FROM manifest_cache
    WHERE digest = ANY ($1) AND fetched_at > now() - interval '12 hours'
"""
_CACHE = """
    INSERT INTO manifest_cache (digest, body, manifest, config)
    SELECT * FROM unnest($1::text[], $2::jsonb[], $3::bytea[], $4::bytea[])
    ON CONFLICT (digest) DO UPDATE SET fetched_at = now()
"""
_CACHE_ROWS = 200
_CACHED = "SELECT digest, body, manifest, config FROM manifest_cache WHERE digest = ANY ($1)"
_FORGET = """
    DELETE FROM manifest_cache WHERE digest IN (
        SELECT digest FROM manifest_cache WHERE fetched_at < now() - interval '1 day' LIMIT $1)
"""


async def cache_images(connection: Connection, images: Iterable[CachedImage]) -> None:
    """Keeps fetched images for a day, all or none; what was cached lately is not sent again.

    Goes in digest order, so that two importers cannot deadlock.
    """
    by_digest = {image.digest: image for image in images}
    if not by_digest:
        return
    fresh = {row["digest"] for row in await connection.fetch(_FRESH, list(by_digest))}
    missing = [by_digest[digest] for digest in sorted(by_digest.keys() - fresh)]
    if not missing:
        return
    async with connection.transaction():
        for start in range(0, len(missing), _CACHE_ROWS):
            part = missing[start : start + _CACHE_ROWS]
            await connection.execute(
                _CACHE,
                [i.digest for i in part],
                [dict(i.body) for i in part],
                [i.manifest for i in part],
                [i.config for i in part],
            )


async def load_cached_images(
    connection: Connection, digests: Collection[str]
) -> dict[str, CachedImage]:
    """What an importer fetched within the last day, among `digests`."""
    rows = await connection.fetch(_CACHED, list(digests))
    return {row["digest"]: CachedImage(*row.values()) for row in rows}


# Against the pruner: an image that is about to be tagged does not go before the tag is there.
_HOLD = "SELECT digest FROM images WHERE digest = ANY ($1) ORDER BY digest FOR KEY SHARE"


async def hold_images(connection: Connection, digests: Collection[str]) -> set[str]:
    """The images that exist among `digests`; none of them can be deleted before the commit."""
    return {row["digest"] for row in await connection.fetch(_HOLD, list(digests))}


_CACHED_BODIES = "SELECT digest, body FROM manifest_cache WHERE digest = ANY ($1)"


async def load_storable_bodies(
    connection: Connection, digests: Collection[str]
) -> dict[str, Mapping[str, object] | None]:
    """The digests that are stored already (None; held), or can be stored from the cache (their
    body)."""
    known: dict[str, Mapping[str, object] | None] = dict.fromkeys(
        await hold_images(connection, digests)
    )
    missing = [digest for digest in digests if digest not in known]
    rows = await connection.fetch(_CACHED_BODIES, missing) if missing else []
    return known | {row["digest"]: row["body"] for row in rows}


async def forget_cached_images(connection: Connection, limit: int) -> None:
    """Drops up to `limit` images that were fetched more than a day ago."""
    await connection.execute(_FORGET, limit)


_INSERT = """
    INSERT INTO images (digest, uid, version, created_at, metadata, body)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::jsonb[],
                         $6::jsonb[])
    ON CONFLICT (digest) DO NOTHING RETURNING digest, uid::text, body
"""
_TRIES = 5


async def store_images(
    tx: Transaction, bodies: Mapping[str, Mapping[str, object]]
) -> Sequence[Change]:
    """Stores the images that are not there yet (digest → wire form); the others stay as they are,
    and stay: they are held until the commit.

    The uid follows from command and digest, so that a replay makes the same one.
    """
    missing = set(bodies)
    added: list[Row] = []
    for _ in range(_TRIES):
        if not missing:
            break
        rows = await _insert(tx, {digest: bodies[digest] for digest in sorted(missing)})
        added += rows
        others = missing - {row["digest"] for row in rows}
        # One that was there when we inserted, and is deleted before we hold it, is inserted again.
        missing = others - await hold_images(tx.connection, others) if others else set()
    if missing:
        raise Conflict("an image was deleted again and again while it was being tagged")
    return [
        _record(tx, "ADDED", row["digest"], row["uid"], 0, tx.command.at, row["body"])
        for row in added
    ]


async def _insert(tx: Transaction, bodies: Mapping[str, Mapping[str, object]]) -> list[Row]:
    return await tx.connection.fetch(
        _INSERT,
        list(bodies),
        [uuid.uuid5(uuid.UUID(tx.command.id), digest) for digest in bodies],
        [0] * len(bodies),
        [tx.command.at.replace(microsecond=0)] * len(bodies),
        [image_metadata(body) for body in bodies.values()],
        [dict(body) for body in bodies.values()],
    )


def _record(
    tx: Transaction,
    kind: ChangeType,
    digest: str,
    uid: str,
    previous: int,
    created_at: datetime,
    body: Mapping[str, object],
) -> Change:
    """Journals the whole object, as a watch shows it."""
    shown = image_object(body, digest, uid, created_at)
    change = Change(GROUP, RESOURCE, "", digest, uid, kind, previous, body=shown)
    tx.record(change)
    return change


_UPDATE = "UPDATE images SET metadata = $2, body = $3 WHERE digest = $1"
_DELETE = "DELETE FROM images WHERE digest = ANY ($1)"
_LOCK = f"SELECT {_COLUMNS} FROM images WHERE digest = $1 FOR UPDATE"


async def lock_image(connection: Connection, digest: str) -> StoredImage | None:
    """One image, held for writing; None when there is none."""
    row = await connection.fetchrow(_LOCK, digest)
    return _from_row(row) if row is not None else None


async def update_image(tx: Transaction, before: StoredImage, body: Mapping[str, object]) -> Change:
    """Stores the new body of a locked image."""
    await tx.connection.execute(_UPDATE, before.digest, image_metadata(body), dict(body))
    return _record(
        tx, "MODIFIED", before.digest, before.uid, before.version, before.created_at, body
    )


async def delete_image(tx: Transaction, gone: StoredImage) -> Change:
    """Removes a locked image; streams keep naming it."""
    return (await delete_images(tx, [gone]))[0]


async def delete_images(tx: Transaction, gone: Sequence[StoredImage]) -> list[Change]:
    """Removes locked images in one statement."""
    await tx.connection.execute(_DELETE, [image.digest for image in gone])
    return [
        _record(tx, "DELETED", image.digest, image.uid, image.version, image.created_at, image.body)
        for image in gone
    ]
