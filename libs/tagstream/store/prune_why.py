"""What there is to say of one image, out of a session that holds marks (prune_marks.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection

_MOST = 50

_IMAGE = """
    SELECT m.created_at,
           coalesce(m.metadata #>> '{annotations,openshift.io/image.managed}' = 'true', false),
           EXISTS (SELECT FROM prune_images p WHERE p.digest = m.digest)
    FROM images m WHERE m.digest = $1
"""


@dataclass(frozen=True, slots=True)
class ImageState:
    """A stored image; `goes` when it is marked."""

    created_at: datetime
    is_managed: bool
    goes: bool


async def load_image_state(connection: Connection, digest: str) -> ImageState | None:
    row = await connection.fetchrow(_IMAGE, digest)
    return ImageState(*row) if row is not None else None


# Few streams have the image; the places are counted in their tags alone.
_ITEMS = """
    SELECT t.namespace, t.name, t.stream_created_at, t.tag, t.place, t.created,
           EXISTS (SELECT FROM prune_items p
                   WHERE p.stream = t.stream AND p.tag = t.tag AND p.seq = t.seq) AS goes
    FROM (SELECT s.namespace, s.name, s.created_at AS stream_created_at, i.stream, i.tag, i.seq,
                 i.created, i.image,
                 row_number() OVER (PARTITION BY i.stream, i.tag ORDER BY i.seq DESC) - 1 AS place
          FROM tag_items i JOIN streams s ON s.uid = i.stream
          WHERE i.retired_by IS NULL AND (i.stream, i.tag) IN (
              SELECT stream, tag FROM tag_items
              WHERE image = $1 AND image <> '' AND retired_by IS NULL)) t
    WHERE t.image = $1 ORDER BY goes, t.namespace, t.name, t.tag, t.place LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class ItemState:
    """A history item of the image; `place` 0 is the head, `goes` when it is marked."""

    namespace: str
    stream: str
    stream_created_at: datetime
    tag: str
    place: int
    created: datetime
    goes: bool


async def load_items(connection: Connection, digest: str) -> list[ItemState]:
    """The live items of an image, those that stay first; at most fifty."""
    return [ItemState(*row) for row in await connection.fetch(_ITEMS, digest, _MOST)]


_USERS = """
    SELECT DISTINCT u.resource, u.namespace, u.name FROM prune_spellings s
    JOIN prune_uses u USING (image)
    WHERE s.namespace = $1 AND s.stream = $2 AND (s.digest = $3 OR (s.tag = $4 AND s.tag <> ''))
    ORDER BY u.resource, u.namespace, u.name LIMIT $5
"""


async def load_users(
    connection: Connection, namespace: str, stream: str, *, digest: str = "-", tag: str = ""
) -> list[str]:
    """Workloads that name the stream's image by digest, or its tag: `pod/web in shop`."""
    rows = await connection.fetch(_USERS, namespace, stream, digest, tag, 3)
    return [f"{resource}/{name} in {where}" for resource, where, name in rows]


_PARENTS = """
    SELECT l.digest FROM images l
    WHERE l.body ? 'dockerImageManifests'
      AND jsonb_path_query_array(l.body, '$.dockerImageManifests[*].digest') ? $1
    ORDER BY l.digest LIMIT $2
"""
_PINS = """
    SELECT s.namespace, s.name, t.tag FROM spec_tags t JOIN streams s ON s.uid = t.stream
    WHERE split_part(t.body #>> '{from,name}', '@', 2) = $1
      AND split_part(t.body #>> '{from,name}', '@', 2) <> ''
    ORDER BY s.namespace, s.name, t.tag LIMIT $2
"""


async def load_parents(connection: Connection, digest: str) -> list[str]:
    """Manifest lists that name the image; at most fifty."""
    return [row["digest"] for row in await connection.fetch(_PARENTS, digest, _MOST)]


async def load_pins(connection: Connection, digest: str) -> list[str]:
    """Tags whose specification names the image: `shop/app:prod`; at most fifty."""
    rows = await connection.fetch(_PINS, digest, _MOST)
    return [f"{namespace}/{name}:{tag}" for namespace, name, tag in rows]
