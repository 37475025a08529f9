"""One page of a generic kind: selectors as far as SQL knows them, the rest on the rows."""

from __future__ import annotations

from collections.abc import Callable

from tagstream.api.engine.storage import ListQuery
from tagstream.api.engine.watch_selection import selects
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.selectors import LabelSelector, Operator
from tagstream.store.database import Connection
from tagstream.store.resources import Resource, list_resources, load_resource

_BATCH = 500


async def select_page(
    connection: Connection,
    key: tuple[str, str],
    namespace: str,
    query: ListQuery,
    to_fields: Callable[[Resource], JsonObject],
) -> tuple[list[Resource], tuple[str, str] | None]:
    """The rows of a page, and after which (namespace, name) the next begins if there is one.

    `key` is the group and resource of the rows; selectors look at what `to_fields` makes of a row.
    """
    selected = selects(query.labels, query.fields)

    def matches(row: Resource) -> bool:
        return selected(to_fields(row))

    namespace = namespace or query.fields.required_value("metadata.namespace") or ""
    name = query.fields.required_value("metadata.name")
    if name and (namespace or query.fields.required_value("metadata.namespace") == ""):
        row = await load_resource(connection, *key, namespace, name)
        return ([row] if row and matches(row) else []), None
    exact = _equalities(query.labels)
    page: list[Resource] = []
    after = query.after
    while True:
        size = max(query.limit + 1 - len(page), _BATCH) if query.limit else 1_000_000_000
        rows = await list_resources(
            connection, *key, namespace=namespace, after=after, labels=exact, limit=size
        )
        page += [row for row in rows if matches(row)]
        if query.limit and len(page) > query.limit:
            last = page[query.limit - 1]
            return page[: query.limit], (last.namespace, last.name)
        if len(rows) < size:
            return page, None
        after = (rows[-1].namespace, rows[-1].name)


def _equalities(labels: LabelSelector) -> dict[str, str]:
    """The requirements that SQL can check: one label, one value."""
    return {
        requirement.key: requirement.values[0]
        for requirement in labels.requirements
        if requirement.operator is Operator.IN and len(requirement.values) == 1
    }
