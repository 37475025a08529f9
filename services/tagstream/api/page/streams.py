"""The list of streams, and one stream with its tags."""

from __future__ import annotations

from tagstream.api.engine.call import Answer
from tagstream.api.page import addresses
from tagstream.api.page.events import Scope, load_lines
from tagstream.api.page.paging import choose_page, parse_page
from tagstream.api.page.tag_views import view_tag
from tagstream.api.page.visit import PageDeps, Visit
from tagstream.store.page_reads import (
    StreamFilter,
    TagFilter,
    count_streams,
    list_stream_summaries,
    list_tag_summaries,
    load_namespace_births,
)
from tagstream.store.streams import load_header
from tagstream.streams.pull_spec import stream_repository

_STREAMS_PER_PAGE = 50
_TAGS_PER_PAGE = 100
_EVENTS_BESIDE = 15
_MOST_SUGGESTED = 200


async def on_overview(deps: PageDeps, visit: Visit) -> Answer:
    """Every stream that the caller may list, a page at a time."""
    asked = _asked(visit, "namespace", "name", "failing")
    async with deps.database.snapshot() as connection:
        births = await load_namespace_births(connection)
        seen = await visit.reader.seen_namespaces(births)
        chosen = StreamFilter(
            None if seen is None else [*seen],
            asked["namespace"],
            asked["name"],
            bool(asked["failing"]),
        )
        total = await count_streams(connection, chosen)
        paging = choose_page(
            total, visit.query.get("page", ""), _STREAMS_PER_PAGE, addresses.HOME, asked
        )
        found = await list_stream_summaries(connection, chosen, skip=paging.skip, limit=paging.size)
        feed = await load_lines(connection, visit.reader, births, seen, Scope(), _EVENTS_BESIDE)
    values = {
        "streams": found,
        "paging": paging,
        "asked": asked,
        "is_filtered": any(asked.values()),
        "namespaces": [*(births if seen is None else seen)][:_MOST_SUGGESTED],
        "sees_all": seen is None,
        "feed": feed,
    }
    return deps.show(visit, "overview.html", values)


async def on_stream(deps: PageDeps, visit: Visit, namespace: str, name: str) -> Answer:
    """One stream's tags, a page at a time."""
    if not visit.reader.may_get_stream(namespace, name):
        return refuse_stream(deps, visit, namespace, name)
    asked = _asked(visit, "name", "failing")
    async with deps.database.snapshot() as connection:
        stream = await load_header(connection, namespace, name)
        if stream is None:
            return miss_stream(deps, visit, namespace, name)
        chosen = TagFilter(asked["name"], bool(asked["failing"]))
        wanted = visit.query.get("page", "")
        skip = (parse_page(wanted) - 1) * _TAGS_PER_PAGE
        summaries, total = await list_tag_summaries(
            connection, stream.uid, chosen, skip=skip, limit=_TAGS_PER_PAGE
        )
        births = await load_namespace_births(connection)
        own = {name: since for name, since in births.items() if name == namespace}
        scope = Scope(namespace, name)
        feed = await load_lines(connection, visit.reader, births, own, scope, _EVENTS_BESIDE)
    path = addresses.stream_path(namespace, name)
    values = {
        "stream": stream,
        "repository": stream_repository(stream, deps.names.internal),
        "tags": [view_tag(namespace, name, summary) for summary in summaries],
        "paging": choose_page(total, wanted, _TAGS_PER_PAGE, path, asked),
        "asked": asked,
        "is_filtered": any(asked.values()),
        "feed": feed,
    }
    return deps.show(visit, "stream.html", values)


def refuse_stream(deps: PageDeps, visit: Visit, namespace: str, name: str) -> Answer:
    """403, the same whether the stream exists or not."""
    sentence = (
        f"{visit.reader.user.name} may not read the image stream {namespace}/{name}; "
        f"ask for the role “view” in the namespace {namespace}."
    )
    return deps.refuse(visit, 403, "Not for you", sentence)


def miss_stream(deps: PageDeps, visit: Visit, namespace: str, name: str) -> Answer:
    """404, for whoever may read the stream if there were one."""
    sentence = f"There is no image stream {name} in the namespace {namespace}."
    return deps.refuse(visit, 404, "Not found", sentence)


def _asked(visit: Visit, *names: str) -> dict[str, str]:
    # No name holds U+0000, and Postgres cannot even be asked for it.
    return {name: visit.query.get(name, "").strip().replace("\0", "")[:253] for name in names}
