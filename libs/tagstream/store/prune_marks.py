"""What nobody uses, marked by set operations in one snapshot, into temporary tables.

The tables live in one session: `open_marks` lends the connection that holds them, and drops them
at the end, for whoever looks again before a deletion (prune.py) and for explaining. Owns which
images go (spec/triggers-lookup-pruning.md D6); which history items go is prune_items.py's. Reading
an image reference is the caller's part, since its grammar is not SQL's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from tagstream.store.database import Connection, Database, postgres_errors
from tagstream.store.prune_items import IN_NAMESPACE, LONG_S, ItemRules, decide_items_sql

# Who uses images; how each image text reads; which items go, what the others use, what goes then;
# how large images may be and which are larger, for a run that asks for it.
_TABLES = {
    "prune_uses": """
        resource text COLLATE "C", namespace text COLLATE "C", name text COLLATE "C",
        is_init boolean, container text, image text COLLATE "C" """,
    "prune_spellings": """
        image text COLLATE "C", namespace text COLLATE "C", stream text COLLATE "C",
        tag text COLLATE "C", digest text COLLATE "C", cause text""",
    "prune_items": """
        stream uuid, tag text COLLATE "C", seq bigint, image text COLLATE "C" """,
    "prune_used": 'image text COLLATE "C"',
    "prune_streams": """
        place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream uuid,
        namespace text COLLATE "C", name text COLLATE "C", items integer""",
    "prune_images": 'digest text COLLATE "C" PRIMARY KEY',
    "prune_limits": 'namespace text COLLATE "C" PRIMARY KEY, most_bytes bigint',
    "prune_large": 'digest text COLLATE "C" PRIMARY KEY, size_bytes numeric',
}
_INDEXES = (
    "CREATE INDEX ON prune_spellings (namespace, stream)",
    "CREATE INDEX ON prune_uses (image)",
)


class _OneConnection(Database):
    """A database whose every transaction runs in one session, where the marks are."""

    def __init__(self, connection: Connection, url: str) -> None:
        self.url = url
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with postgres_errors():
            yield self._connection


@asynccontextmanager
async def open_marks(database: Database) -> AsyncIterator[Database]:
    """One session with empty tables for marks; they are gone after the block."""
    async with database.connection() as connection:
        await _drop(connection)
        try:
            for table, columns in _TABLES.items():
                await connection.execute(f"CREATE TEMPORARY TABLE {table} ({columns})")
            for index in _INDEXES:
                await connection.execute(index)
            yield _OneConnection(connection, database.url)
        finally:
            if not connection.is_closed() and not connection.is_in_transaction():
                await _drop(connection)


async def _drop(connection: Connection) -> None:
    await connection.execute(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{t}' for t in _TABLES)}")


@asynccontextmanager
async def marking(session: Database) -> AsyncIterator[Connection]:
    """The one snapshot in which marks are made."""
    async with (
        session.connection() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await connection.execute("SET LOCAL work_mem = '128MB'")
        yield connection


# Which kinds use images, their word in messages, and where they keep their pod spec (D3).
_KINDS = """
    (VALUES ('', 'pods', 'pod', ARRAY['spec']),
        ('', 'replicationcontrollers', 'replicationcontroller', ARRAY['spec', 'template', 'spec']),
        ('apps.openshift.io', 'deploymentconfigs', 'deploymentconfig',
         ARRAY['spec', 'template', 'spec']),
        ('apps', 'replicasets', 'replicaset', ARRAY['spec', 'template', 'spec']),
        ('apps', 'deployments', 'deployment', ARRAY['spec', 'template', 'spec']),
        ('apps', 'daemonsets', 'daemonset', ARRAY['spec', 'template', 'spec']),
        ('apps', 'statefulsets', 'statefulset', ARRAY['spec', 'template', 'spec']),
        ('batch', 'jobs', 'job', ARRAY['spec', 'template', 'spec']),
        ('batch', 'cronjobs', 'cronjob', ARRAY['spec', 'jobTemplate', 'spec', 'template', 'spec'])
    ) AS kind (api_group, resource, word, path)
"""
# {rows} has the columns of resources that are used here. A pod that has ended counts if it is no
# older than $1; $2 is the one namespace that counts, or empty. OFFSET 0 keeps the planner from
# reading the body once a container.
_FIND_USES = f"""
    INSERT INTO prune_uses (resource, namespace, name, is_init, container, image)
    SELECT kind.word, r.namespace, r.name, c.is_init, coalesce(c.one ->> 'name', ''),
           c.one ->> 'image'
    FROM {{rows}} r JOIN {_KINDS} USING (api_group, resource)
    CROSS JOIN LATERAL (SELECT r.body #> kind.path AS spec OFFSET 0) pod
    CROSS JOIN LATERAL (
        SELECT false AS is_init, one FROM jsonb_array_elements(
            CASE jsonb_typeof(pod.spec -> 'containers')
                WHEN 'array' THEN pod.spec -> 'containers' ELSE '[]' END) AS one
        UNION ALL
        SELECT true, one FROM jsonb_array_elements(
            CASE jsonb_typeof(pod.spec -> 'initContainers')
                WHEN 'array' THEN pod.spec -> 'initContainers' ELSE '[]' END) AS one) c
    WHERE (r.resource <> 'pods' OR r.body -> 'status' ->> 'phase' IN ('Running', 'Pending')
           OR (r.body -> 'metadata' ->> 'creationTimestamp')::timestamptz >= $1)
      AND c.one ->> 'image' ~ '\\S' AND ($2 = '' OR r.namespace = $2)
"""
_STORED = _FIND_USES.format(rows="resources")
_CHANGED = _FIND_USES.format(
    rows="""(SELECT api_group, resource, namespace, name, body FROM changes
             WHERE position > $3 AND position <= $4 AND type <> 'DELETED' AND body IS NOT NULL
               AND api_group IN ('', 'apps', 'apps.openshift.io', 'batch'))"""
)
# What the dispatcher watches in a cluster; where that cluster is our own api, the stored object
# says more.
_WATCHED = """
    INSERT INTO prune_uses (resource, namespace, name, is_init, container, image)
    SELECT DISTINCT lower(w.kind), w.namespace, w.name, c.one ->> 0 = 'initContainers',
           c.one ->> 2, c.one ->> 3
    FROM workload_triggers w
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE jsonb_typeof(w.body -> 'containers')
            WHEN 'array' THEN w.body -> 'containers' ELSE '[]' END) AS c (one)
    WHERE w.observed_at >= $1 AND c.one ->> 3 ~ '\\S' AND ($2 = '' OR w.namespace = $2)
      AND NOT EXISTS (
        SELECT FROM resources r
        WHERE r.api_group = CASE WHEN w.api_version LIKE '%/%'
                                 THEN split_part(w.api_version, '/', 1) ELSE '' END
          AND r.resource = lower(w.kind) || 's' AND r.namespace = w.namespace AND r.name = w.name)
"""
_EVER = datetime.fromisoformat("0001-01-03T00:00:00+00:00")
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Users:
    """Which workloads count: those of one namespace, empty for all, and of the pods that have ended
    those that were not made before a moment."""

    namespace: str
    ended_since: datetime


async def find_uses(connection: Connection, users: Users) -> None:
    """Notes every image that a stored or watched workload names."""
    await connection.execute(_STORED, users.ended_since, users.namespace, timeout=LONG_S)
    await connection.execute(_WATCHED, _EVER, users.namespace, timeout=LONG_S)


async def find_new_uses(connection: Connection, users: Users, after: int, until: int) -> bool:
    """Notes what workloads came to name in a stretch of the journal; whether there was any."""
    found = await connection.execute(_CHANGED, users.ended_since, users.namespace, after, until)
    return found != "INSERT 0 0"


async def find_watched_uses(connection: Connection, users: Users, since: datetime) -> bool:
    """Notes what watched workloads name that were observed since; whether there was any."""
    return await connection.execute(_WATCHED, since - _SKEW, users.namespace) != "INSERT 0 0"


_UNREAD = """
    SELECT DISTINCT u.image FROM prune_uses u
    WHERE NOT EXISTS (SELECT FROM prune_spellings s WHERE s.image = u.image)
"""
_SPELL = """
    INSERT INTO prune_spellings (image, namespace, stream, tag, digest, cause)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
"""
Spelling = tuple[str, str, str, str, str, str]
"""An image text; namespace, stream, tag and digest that it names, or why it cannot be read."""


async def page_unread_images(connection: Connection, size: int) -> AsyncIterator[list[str]]:
    """The image texts that nobody has read yet, in pages. Inside a transaction."""
    cursor = await connection.cursor(_UNREAD)
    while rows := await cursor.fetch(size):
        yield [row["image"] for row in rows]


async def save_spellings(connection: Connection, read: Sequence[Spelling]) -> None:
    """Notes what image texts say."""
    if read:
        await connection.execute(_SPELL, *(list(column) for column in zip(*read, strict=True)))


_BAD = """
    SELECT u.resource, u.namespace, u.name, u.is_init, u.container, u.image, s.cause
    FROM prune_spellings s JOIN prune_uses u USING (image) WHERE s.cause <> ''
    ORDER BY u.resource, u.namespace, u.name, u.is_init DESC, u.container LIMIT $1
"""
_COUNT_BAD = "SELECT count(*) FROM prune_spellings JOIN prune_uses USING (image) WHERE cause <> ''"
BadUse = tuple[str, str, str, bool, str, str, str]
"""Resource, namespace, name, is init container, container, image, why it cannot be read."""


async def list_bad_uses(connection: Connection, limit: int) -> tuple[int, list[BadUse]]:
    """How many references cannot be read, and the first of them."""
    count: int = await connection.fetchval(_COUNT_BAD)
    return count, [tuple(row) for row in await connection.fetch(_BAD, limit)] if count else []


_MARK_ITEMS = """
    WITH decided AS MATERIALIZED ({decided}),
    gone AS (
        INSERT INTO prune_items (stream, tag, seq, image)
        SELECT stream, tag, seq, image FROM decided WHERE goes)
    INSERT INTO prune_used (image)
    SELECT DISTINCT image FROM decided WHERE NOT goes AND image <> ''
"""
_MARK_STREAMS = """
    INSERT INTO prune_streams (stream, namespace, name, items)
    SELECT s.uid, s.namespace, s.name, m.items
    FROM (SELECT stream, count(*) AS items FROM prune_items GROUP BY stream) m
    JOIN streams s ON s.uid = m.stream ORDER BY s.namespace, s.name
"""
# A tag whose specification names an image by digest keeps it, whether it has a status or not.
PINNED = """
    SELECT split_part(body #>> '{from,name}', '@', 2) AS image FROM spec_tags
    WHERE split_part(body #>> '{from,name}', '@', 2) <> ''
"""
# Children of a list that is used are used, one level deep.
_MARK_IMAGES = f"""
    WITH used AS MATERIALIZED (SELECT image FROM prune_used UNION {PINNED}),
    kept AS MATERIALIZED (
        SELECT image FROM used
        UNION
        SELECT child ->> 'digest' FROM images l
        CROSS JOIN LATERAL jsonb_array_elements(l.body -> 'dockerImageManifests') AS child
        WHERE l.body ? 'dockerImageManifests'
          AND EXISTS (SELECT FROM used u WHERE u.image = l.digest))
    INSERT INTO prune_images (digest)
    SELECT m.digest FROM images m
    WHERE m.created_at <= $1
      AND ($2 OR m.metadata #>> '{{annotations,openshift.io/image.managed}}' = 'true')
      AND NOT EXISTS (SELECT FROM kept k WHERE k.image = m.digest)
"""


@dataclass(frozen=True, slots=True)
class MarkedCounts:
    """How much is marked."""

    streams: int
    items: int
    images: int


async def mark_items(connection: Connection, rules: ItemRules) -> None:
    """Marks the history items that go (D4)."""
    scope, namespaces = (IN_NAMESPACE, [rules.namespace]) if rules.namespace else ("", [])
    mark = _MARK_ITEMS.format(decided=decide_items_sql(scope, rules.over_size_limit))
    await connection.execute("ANALYZE prune_spellings, prune_limits, prune_large")
    await connection.execute(
        mark, rules.threshold, rules.keep_revisions, *namespaces, timeout=LONG_S
    )
    await connection.execute("ANALYZE prune_items, prune_used")
    await connection.execute(_MARK_STREAMS)


async def mark_images(connection: Connection, threshold: datetime, all_images: bool) -> None:
    """Marks the images that nothing uses once the marked items are gone (D6)."""
    await connection.execute(_MARK_IMAGES, threshold, all_images, timeout=LONG_S)


_COUNT = """
    SELECT (SELECT count(*) FROM prune_streams), (SELECT count(*) FROM prune_items),
           (SELECT count(*) FROM prune_images)
"""


async def count_marked(connection: Connection) -> MarkedCounts:
    row = await connection.fetchrow(_COUNT)
    assert row is not None
    return MarkedCounts(*row)


_INDEX_ITEMS = "CREATE INDEX ON prune_items (stream, tag, seq)"


async def index_marked_items(connection: Connection) -> None:
    """For whoever looks up marks by stream; marking is faster without."""
    await connection.execute(_INDEX_ITEMS, timeout=LONG_S)


@dataclass(frozen=True, slots=True)
class MarkedStream:
    """A stream that loses items; `place` orders them by namespace and name."""

    place: int
    uid: str
    namespace: str
    name: str
    items: int


_PAGE_STREAMS = """
    SELECT place, stream::text, namespace, name, items FROM prune_streams
    WHERE place > $1 ORDER BY place LIMIT $2
"""
_PAGE_IMAGES = "SELECT digest FROM prune_images WHERE digest > $1 ORDER BY digest LIMIT $2"


async def page_marked_streams(connection: Connection, after: int, limit: int) -> list[MarkedStream]:
    """Streams that lose items, after a place."""
    return [MarkedStream(*row) for row in await connection.fetch(_PAGE_STREAMS, after, limit)]


async def page_marked_images(connection: Connection, after: str, limit: int) -> list[str]:
    """Images that go, by digest, after one."""
    return [row["digest"] for row in await connection.fetch(_PAGE_IMAGES, after, limit)]
