"""Image streams in Postgres: reading them, whole or in part. Writing is in stream_writes.py."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import MappingProxyType

from tagstream.store.database import Connection, Row
from tagstream.streams.image_stream import (
    ImageStream,
    SourceKind,
    TagEvent,
    TagEventCondition,
    TagHistory,
    TagReference,
)
from tagstream.streams.json_form import metadata_from_json, reference_from_json
from tagstream.streams.pull_spec import repository_of, resolve_pull_spec
from tagstream.streams.sources import ResolvedSource, SourceQuery

_HEADER = """
    SELECT uid::text, namespace, name, version, generation, created_at, lookup_local, repository,
           metadata
    FROM streams
"""
_BY_NAME = f"{_HEADER} WHERE namespace = $1 AND name = $2"
_BY_NAME_LOCKED = f"{_BY_NAME} FOR UPDATE"


async def load_header(
    connection: Connection, namespace: str, name: str, *, lock: bool = False
) -> ImageStream | None:
    """The stream without any of its tags; None when there is none. `lock` holds it for writing."""
    row = await connection.fetchrow(_BY_NAME_LOCKED if lock else _BY_NAME, namespace, name)
    return _header_from_row(row) if row is not None else None


def _header_from_row(row: Row) -> ImageStream:
    return ImageStream(
        namespace=row["namespace"],
        name=row["name"],
        uid=row["uid"],
        created_at=row["created_at"],
        generation=row["generation"],
        version=row["version"],
        metadata=metadata_from_json(row["metadata"]),
        lookup_local=row["lookup_local"],
        docker_image_repository=row["repository"],
    )


# The tags asked for and everything that follows them: what one move of them can touch. Of each
# history only the newest items.
_TAGS = """
    WITH RECURSIVE below (tag) AS (
        SELECT unnest($2::text[]) COLLATE "C"
        UNION
        SELECT s.tag FROM spec_tags s JOIN below b ON s.stream = $1 AND s.follows = b.tag
    )
    SELECT b.tag, s.body, i.created, i.reference, i.image, i.generation AS item_generation,
           c.type, c.status, c.reason, c.message, c.generation, c.transitioned_at
    FROM below b
    LEFT JOIN spec_tags s ON s.stream = $1 AND s.tag = b.tag
    LEFT JOIN LATERAL (
        SELECT * FROM tag_items t WHERE t.stream = $1 AND t.tag = b.tag AND t.retired_by IS NULL
        ORDER BY seq DESC LIMIT $3) i ON true
    LEFT JOIN tag_conditions c ON c.stream = $1 AND c.tag = b.tag
    ORDER BY b.tag, i.seq DESC
"""


async def load_tags(
    connection: Connection,
    stream: ImageStream,
    tags: Collection[str],
    *,
    whole_history: bool = False,
) -> ImageStream:
    """The stream with these tags and their followers loaded, each history up to its head only,
    or whole where a write may do more than add to it."""
    rows = await connection.fetch(_TAGS, stream.uid, list(tags), None if whole_history else 1)
    spec: dict[str, TagReference] = {}
    items: dict[str, list[TagEvent]] = {}
    conditions: dict[str, TagEventCondition] = {}
    for row in rows:
        tag = row["tag"]
        if row["body"] is not None and tag not in spec:
            spec[tag] = reference_from_json(row["body"])
        if row["created"] is not None:
            items.setdefault(tag, []).append(
                TagEvent(row["created"], row["reference"], row["image"], row["item_generation"])
            )
        if row["type"] is not None:
            conditions[tag] = _condition_from_row(row)
    return _with_tags(stream, spec, _histories(items, conditions))


def _condition_from_row(row: Row) -> TagEventCondition:
    return TagEventCondition(
        type=row["type"],
        status=row["status"],
        last_transition_time=row["transitioned_at"],
        reason=row["reason"],
        message=row["message"],
        generation=row["generation"],
    )


def _with_tags(
    stream: ImageStream, spec: dict[str, TagReference], status: dict[str, TagHistory]
) -> ImageStream:
    return ImageStream(
        namespace=stream.namespace,
        name=stream.name,
        uid=stream.uid,
        created_at=stream.created_at,
        generation=stream.generation,
        version=stream.version,
        metadata=stream.metadata,
        lookup_local=stream.lookup_local,
        docker_image_repository=stream.docker_image_repository,
        spec_tags=MappingProxyType(spec),
        status_tags=MappingProxyType(status),
    )


_ALL_SPEC = "SELECT stream::text, tag, body FROM spec_tags WHERE stream = ANY ($1)"
_ALL_ITEMS = """
    SELECT stream::text, tag, created, reference, image, generation FROM tag_items
    WHERE stream = ANY ($1) AND retired_by IS NULL ORDER BY stream, tag, seq DESC
"""
_ALL_CONDITIONS = """
    SELECT stream::text, tag, type, status, reason, message, generation, transitioned_at
    FROM tag_conditions WHERE stream = ANY ($1)
"""


async def load_whole(connection: Connection, streams: Iterable[ImageStream]) -> list[ImageStream]:
    """The same streams with every tag and the whole history of each. Use it in one snapshot, or
    with the streams locked, or the parts may be of different moments."""
    headers = list(streams)
    if not headers:
        return []
    uids = [s.uid for s in headers]
    spec: dict[str, dict[str, TagReference]] = {uid: {} for uid in uids}
    items: dict[str, dict[str, list[TagEvent]]] = {uid: {} for uid in uids}
    conditions: dict[str, dict[str, TagEventCondition]] = {uid: {} for uid in uids}
    for row in await connection.fetch(_ALL_SPEC, uids):
        spec[row["stream"]][row["tag"]] = reference_from_json(row["body"])
    for stream, tag, *event in await connection.fetch(_ALL_ITEMS, uids):
        items[stream].setdefault(tag, []).append(TagEvent(*event))
    for row in await connection.fetch(_ALL_CONDITIONS, uids):
        conditions[row["stream"]][row["tag"]] = _condition_from_row(row)
    return [
        _with_tags(s, spec[s.uid], _histories(items[s.uid], conditions[s.uid])) for s in headers
    ]


def _histories(
    items: dict[str, list[TagEvent]], conditions: dict[str, TagEventCondition]
) -> dict[str, TagHistory]:
    return {
        tag: TagHistory(
            tag,
            tuple(items.get(tag, ())),
            (conditions[tag],) if tag in conditions else (),
        )
        for tag in items.keys() | conditions.keys()
    }


async def load_stream(
    connection: Connection,
    namespace: str,
    name: str,
    *,
    tags: Collection[str] | None = None,
    lock: bool = False,
    whole_history: bool = False,
) -> ImageStream | None:
    """One stream: whole, or with only `tags` and what follows them. None when there is none.

    Reads it in two statements, so a caller that does not lock must use a snapshot.
    """
    header = await load_header(connection, namespace, name, lock=lock)
    if header is None:
        return None
    if tags is None:
        return (await load_whole(connection, [header]))[0]
    return await load_tags(connection, header, tags, whole_history=whole_history)


_LIST = f"""
    {_HEADER} WHERE ($1 = '' OR namespace = $1) AND (namespace, name) > ($2, $3)
    ORDER BY namespace, name LIMIT $4
"""


async def list_headers(
    connection: Connection, namespace: str, after: tuple[str, str], limit: int
) -> list[ImageStream]:
    """Streams without tags, by namespace and name, after a pair of both; "" means all."""
    rows = await connection.fetch(_LIST, namespace, *after, limit)
    return [_header_from_row(row) for row in rows]


_SOURCE_TAG = """
    SELECT s.uid, i.created, i.reference, i.image, i.generation FROM streams s
    LEFT JOIN LATERAL (
        SELECT * FROM tag_items t WHERE t.stream = s.uid AND t.tag = $3 AND t.retired_by IS NULL
        ORDER BY seq DESC LIMIT 1) i ON true
    WHERE s.namespace = $1 AND s.name = $2
"""
# Each image of a stream that starts with one of two texts, once. It goes from image to image in the
# index: a tag that moved to and fro names the same two thousands of times. Ranges, because LIKE of
# a parameter uses no index once Postgres plans the statement for all values.
_NEXT_IMAGE = """
    (SELECT t.image FROM tag_items t
     WHERE t.stream = {stream} AND t.retired_by IS NULL AND t.image <> ''
       AND t.image {after} AND t.image ~<~ (start || chr(1114111))
     ORDER BY t.image USING ~<~ LIMIT 1)
"""
MATCHING_IMAGES = f"""
    WITH RECURSIVE matching (start, image) AS (
        SELECT start, {_NEXT_IMAGE.replace("{after}", "~>=~ start")}
        FROM unnest(ARRAY[{{starts}}]::text[]) AS start
        UNION ALL
        SELECT start, {_NEXT_IMAGE.replace("{after}", "~>~ matching.image")}
        FROM matching WHERE matching.image IS NOT NULL)
"""
# An id may leave out the algorithm, and may name a child of a manifest list (§1.9).
_SOURCE_IMAGE = f"""
    SELECT s.uid, i.created, i.reference, i.image, i.generation FROM streams s
    LEFT JOIN LATERAL (
        {MATCHING_IMAGES.format(stream="s.uid", starts="$3, $4")}
        SELECT newest.* FROM (SELECT DISTINCT image FROM matching WHERE image IS NOT NULL) m
        CROSS JOIN LATERAL (
            SELECT * FROM tag_items t
            WHERE t.stream = s.uid AND t.image = m.image
              AND t.retired_by IS NULL AND t.image <> ''
            ORDER BY t.created DESC, t.seq DESC, t.tag LIMIT 1) newest) i ON true
    WHERE s.namespace = $1 AND s.name = $2
    ORDER BY i.image
"""


async def load_sources(
    connection: Connection, queries: Iterable[SourceQuery]
) -> dict[SourceQuery, ResolvedSource]:
    """Looks up what tag references refer to (streams/sources.py)."""
    return {query: await _load_source(connection, query) for query in queries}


async def _load_source(connection: Connection, query: SourceQuery) -> ResolvedSource:
    if query.kind is SourceKind.IMAGE_STREAM_TAG:
        rows = await connection.fetch(_SOURCE_TAG, query.namespace, query.stream, query.key)
    else:
        rows = await connection.fetch(
            _SOURCE_IMAGE, query.namespace, query.stream, query.key, f"sha256:{query.key}"
        )
    events = tuple(
        TagEvent(r["created"], r["reference"], r["image"], r["generation"])
        for r in rows
        if r["created"] is not None
    )
    return ResolvedSource(stream_exists=bool(rows), events=events)


def like_prefix(text: str) -> str:
    """A LIKE pattern for strings that start with `text`, taken literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


_RESOLVE = """
    SELECT s.repository, t.body, i.created, i.reference, i.image, i.generation FROM streams s
    LEFT JOIN spec_tags t ON t.stream = s.uid AND t.tag = $3
    JOIN LATERAL (
        SELECT * FROM tag_items i WHERE i.stream = s.uid AND i.tag = $3 AND i.retired_by IS NULL
        ORDER BY seq DESC LIMIT 1) i ON true
    WHERE s.namespace = $1 AND s.name = $2
"""


async def resolve_tag(
    connection: Connection, namespace: str, stream: str, tag: str, internal_registry: str
) -> str | None:
    """The pull spec the tag resolves to now; None when it has no image
    (spec/triggers-lookup-pruning.md A6)."""
    row = await connection.fetchrow(_RESOLVE, namespace, stream, tag)
    if row is None:
        return None
    head = TagEvent(row["created"], row["reference"], row["image"], row["generation"])
    ref = reference_from_json(row["body"]) if row["body"] is not None else None
    repository = repository_of(namespace, stream, row["repository"], internal_registry)
    return resolve_pull_spec(head, ref, repository)
