"""One page of a generic kind: selectors as far as SQL knows them, the rest on the rows."""

from __future__ import annotations

from typing import cast

from tagstream.api.engine.storage import ListQuery
from tagstream.api.engine.watch_selection import selects
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.selectors import LabelSelector, Operator
from tagstream.store.database import Connection
from tagstream.store.resources import Resource, list_resources, load_resource

_BATCH = 500


async def select_page(
    connection: Connection, group: str, resource: str, namespace: str, query: ListQuery
) -> tuple[list[Resource], tuple[str, str] | None]:
    """The rows of a page, and after which (namespace, name) the next begins if there is one."""
    matches = selects(query.labels, query.fields)
    namespace = namespace or query.fields.required_value("metadata.namespace") or ""
    name = query.fields.required_value("metadata.name")
    if name and (namespace or query.fields.required_value("metadata.namespace") == ""):
        row = await load_resource(connection, group, resource, namespace, name)
        return ([row] if row and matches(cast(JsonObject, row.body)) else []), None
    exact = _equalities(query.labels)
    page: list[Resource] = []
    after = query.after
    while True:
        size = max(query.limit + 1 - len(page), _BATCH) if query.limit else 1_000_000_000
        rows = await list_resources(
            connection, group, resource, namespace=namespace, after=after, labels=exact, limit=size
        )
        page += [row for row in rows if matches(cast(JsonObject, row.body))]
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
