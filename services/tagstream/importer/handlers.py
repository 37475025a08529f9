"""What the importer does for a job and for a request: fetch, keep, answer.

Owns the order of the steps. Registry failures are results here, never exceptions.
"""

from __future__ import annotations

from dataclasses import replace

from tagstream.bus.outcomes import Outcome
from tagstream.errors import InvalidInput
from tagstream.events.envelope import CloudEvent
from tagstream.events.import_facts import import_fact
from tagstream.events.jobs import ImportTags, parse_job
from tagstream.importer.deps import Deps
from tagstream.importer.fetch import fetch
from tagstream.importer.pull_secrets import load_pull_secrets, read_global_pull_secret
from tagstream.store.images import CachedImage, cache_images
from tagstream.store.imports import finish_import, load_import
from tagstream.store.journal import transaction
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.import_request import ImportRequest, ImportResult
from tagstream.telemetry import metrics, names
from tagstream.telemetry.tracing import span


async def fetch_and_keep(request: ImportRequest, deps: Deps, mode: str) -> ImportResult:
    """Fetch what the request names, with the namespace's own logins, and cache what was found.

    `mode` says who asked, `job` or `request`. Raises Unavailable when Postgres is away.
    """
    async with deps.database.connection() as connection:
        secrets = await load_pull_secrets(connection, request.namespace, deps.sealer)
    node_wide = await read_global_pull_secret(deps.pull_secret_file)
    fetching = replace(deps.fetching, secrets=secrets, global_pull_secret=node_wide)
    with span(names.FETCH_SPAN, mode=mode), metrics.timed(names.IMPORT_DURATION, mode=mode):
        result = await fetch(request, fetching)
    found = result.fetched_images().values()
    async with deps.database.connection() as connection:
        await cache_images(
            connection,
            (CachedImage(i.digest, i.body, i.raw_manifest, i.raw_config) for i in found),
        )
    _count(result, mode)
    return result


def _count(result: ImportResult, mode: str) -> None:
    images = (*result.images, *(result.repository.images if result.repository else ()))
    succeeded = sum(image.status.ok for image in images)
    for outcome, count in (("imported", succeeded), ("failed", len(images) - succeeded)):
        if count:
            metrics.add(names.IMPORTS, count, outcome=outcome, mode=mode)


async def on_import_ordered(event: CloudEvent, deps: Deps) -> Outcome:
    """Run an ordered import once, and store what came of it with the fact that says so."""
    job = parse_job(event.type, event.data)
    if not isinstance(job, ImportTags):
        raise InvalidInput("type", f"{event.type} is not an import")
    async with deps.database.connection() as connection:
        ordered = await load_import(connection, job.import_id)
    if ordered is None:
        return Outcome.GONE
    if ordered.result is not None:
        return Outcome.UNCHANGED
    result = await fetch_and_keep(ImportRequest.from_json(ordered.order.request), deps, "job")
    return await _finish(ordered.order, result, deps)


async def _finish(ordered: OrderedImport, result: ImportResult, deps: Deps) -> Outcome:
    body = result.to_json()
    command = deps.command(
        "import.finish",
        "scheduled import" if ordered.scheduled else "import",
        {"import": ordered.to_json(), "result": body},
    )
    async with transaction(deps.database, command) as tx:
        if not await finish_import(tx, ordered.id, body, command.at):
            return Outcome.DUPLICATE
        tx.emit(import_fact(ordered, result))
    return Outcome.APPLIED
