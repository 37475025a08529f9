"""One tag of one stream with its image, in a single statement: what reading a tag costs.

Also lists tags that way. For decisions, streams.py loads values instead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection, Row
from tagstream.store.images import StoredImage, load_images
from tagstream.streams.image_stream import (
    ImageStream,
    TagEvent,
    TagEventCondition,
    TagReference,
)
from tagstream.streams.json_form import reference_from_json, reference_to_json


@dataclass(frozen=True, slots=True)
class TagView:
    """What is known of a tag. `reference_body` is the JSON of `reference`, as stored.

    `image` is None when the head has none, or when the image object was deleted.
    """

    namespace: str
    stream: str
    tag: str
    uid: str
    version: int
    created_at: datetime
    labels: dict[str, str]
    lookup_local: bool
    repository: str
    reference_body: dict[str, object] | None
    head: TagEvent | None
    condition: TagEventCondition | None
    image: StoredImage | None

    @property
    def name(self) -> str:
        return f"{self.stream}:{self.tag}"

    @property
    def reference(self) -> TagReference | None:
        return reference_from_json(self.reference_body) if self.reference_body else None


_VIEW = """
    SELECT s.namespace, s.name, s.uid::text, s.version, s.created_at, s.labels, s.lookup_local,
           s.repository, t.body AS reference_body,
           i.created, i.reference, i.image, i.generation AS item_generation,
           c.type, c.status, c.reason, c.message, c.generation, c.transitioned_at,
           m.digest, m.uid::text AS image_uid, m.version AS image_version,
           m.created_at AS image_created_at, m.metadata AS image_metadata, m.body AS image_body
"""
_GET = f"""
    {_VIEW}, q.tag FROM unnest($1::text[], $2::text[], $3::text[]) AS q (namespace, name, tag)
    JOIN streams s ON s.namespace = q.namespace AND s.name = q.name
    LEFT JOIN spec_tags t ON t.stream = s.uid AND t.tag = q.tag
    LEFT JOIN LATERAL (
        SELECT * FROM tag_items x WHERE x.stream = s.uid AND x.tag = q.tag
          AND x.retired_by IS NULL ORDER BY seq DESC LIMIT 1) i ON true
    LEFT JOIN tag_conditions c ON c.stream = s.uid AND c.tag = q.tag
    LEFT JOIN images m ON m.digest = i.image
"""

# Namespace, stream and tag.
TagKey = tuple[str, str, str]


async def load_tag_views(connection: Connection, keys: Collection[TagKey]) -> dict[TagKey, TagView]:
    """Many tags in one statement. A stream that does not exist leaves its keys out; when only the
    tag does not, its view has no reference, head and condition."""
    columns = [list(column) for column in zip(*keys, strict=True)]
    rows = await connection.fetch(_GET, *columns)
    views = (_from_row(row, row["tag"]) for row in rows)
    return {(view.namespace, view.stream, view.tag): view for view in views}


async def load_tag_view(
    connection: Connection, namespace: str, stream: str, tag: str
) -> TagView | None:
    """One tag. See `load_tag_views`."""
    key = (namespace, stream, tag)
    return (await load_tag_views(connection, [key])).get(key)


async def load_tag_of(connection: Connection, stream: ImageStream, tag: str) -> TagView:
    """A tag of a stream that is at hand, with this tag loaded: only its image is read."""
    ref, history = stream.spec_tags.get(tag), stream.status_tags.get(tag)
    head = history.head if history is not None else None
    digest = head.image if head is not None else ""
    images = await load_images(connection, [digest]) if digest else {}
    return TagView(
        namespace=stream.namespace,
        stream=stream.name,
        tag=tag,
        uid=stream.uid,
        version=stream.version,
        created_at=stream.created_at,
        labels=dict(stream.metadata.labels),
        lookup_local=stream.lookup_local,
        repository=stream.docker_image_repository,
        reference_body=reference_to_json(ref) if ref is not None else None,
        head=head,
        condition=next(iter(history.conditions), None) if history is not None else None,
        image=images.get(digest),
    )


# A tag exists once it is wanted or was seen. Images are left out: lists show digests only.
_LIST = """
    SELECT s.namespace, s.name, s.uid::text, s.version, s.created_at, s.labels, s.lookup_local,
           s.repository, n.tag, t.body AS reference_body,
           i.created, i.reference, i.image, i.generation AS item_generation,
           c.type, c.status, c.reason, c.message, c.generation, c.transitioned_at
    FROM streams s
    CROSS JOIN LATERAL (
        SELECT tag FROM spec_tags WHERE stream = s.uid
        UNION SELECT tag FROM tag_items WHERE stream = s.uid AND retired_by IS NULL
        UNION SELECT tag FROM tag_conditions WHERE stream = s.uid) n
    LEFT JOIN spec_tags t ON t.stream = s.uid AND t.tag = n.tag
    LEFT JOIN LATERAL (
        SELECT * FROM tag_items x WHERE x.stream = s.uid AND x.tag = n.tag
          AND x.retired_by IS NULL ORDER BY seq DESC LIMIT 1) i ON true
    LEFT JOIN tag_conditions c ON c.stream = s.uid AND c.tag = n.tag
    WHERE ($1 = '' OR s.namespace = $1)
      AND (s.namespace, s.name) >= ($2, $3) AND (s.namespace, s.name, n.tag) > ($2, $3, $4)
      AND (NOT $5 OR i.image <> '')
    ORDER BY s.namespace, s.name, n.tag LIMIT $6
"""


async def list_tag_views(
    connection: Connection,
    namespace: str,
    *,
    after: tuple[str, str, str] = ("", "", ""),
    with_image: bool,
    limit: int,
) -> list[TagView]:
    """Tags by namespace, stream and tag, after a triple of these, without their image objects.

    `with_image` leaves out those that point to no image.
    """
    rows = await connection.fetch(_LIST, namespace, *after, with_image, limit)
    return [_from_row(row, row["tag"], with_images=False) for row in rows]


def _from_row(row: Row, tag: str, *, with_images: bool = True) -> TagView:
    head = None
    if row["created"] is not None:
        head = TagEvent(row["created"], row["reference"], row["image"], row["item_generation"])
    return TagView(
        namespace=row["namespace"],
        stream=row["name"],
        tag=tag,
        uid=row["uid"],
        version=row["version"],
        created_at=row["created_at"],
        labels=row["labels"],
        lookup_local=row["lookup_local"],
        repository=row["repository"],
        reference_body=row["reference_body"],
        head=head,
        condition=_condition(row),
        image=_image(row) if with_images else None,
    )


def _condition(row: Row) -> TagEventCondition | None:
    if row["type"] is None:
        return None
    return TagEventCondition(
        row["type"],
        row["status"],
        row["transitioned_at"],
        row["reason"],
        row["message"],
        row["generation"],
    )


def _image(row: Row) -> StoredImage | None:
    if row["digest"] is None:
        return None
    return StoredImage(
        row["digest"],
        row["image_uid"],
        row["image_version"],
        row["image_created_at"],
        row["image_metadata"],
        row["image_body"],
    )
