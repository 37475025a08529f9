"""Applying a finished import to its stream: images, tags, conditions and the Event, at once.

Owns loading and saving; what a result means is streams/import_orders.py and streams/imports.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from tagstream.bus.outcomes import Outcome
from tagstream.store.images import load_storable_bodies, store_images
from tagstream.store.imports import ImportRow, load_import, mark_applied
from tagstream.store.journal import Transaction, transaction
from tagstream.store.object_events import record_event
from tagstream.store.stream_writes import save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_orders import TagResult, applicable_results, tags_of
from tagstream.streams.import_request import (
    FetchedImage,
    ImportRequest,
    ImportResult,
    digests_named_by,
)
from tagstream.streams.imports import ImportFailure, decide_import
from tagstream.streams.problems import InvalidStream
from tagstream.tag_tracker.deps import Deps
from tagstream.tag_tracker.ordering import order_again

_log = structlog.get_logger(__name__)

Bodies = Mapping[str, Mapping[str, object] | None]

_COMPONENT = "tagstream-tag-tracker"
_MESSAGE_MAX = 1000


async def apply_import(deps: Deps, import_id: str) -> Outcome:
    """Do to the stream what the stored result of an import means for it now, once.

    An import whose images are not in the cache any more is ordered again.
    """
    async with deps.database.connection() as connection:
        row = await load_import(connection, import_id)
    if row is None:
        return Outcome.GONE
    if row.applied_at is not None or row.result is None:
        return Outcome.UNCHANGED
    command = deps.command(
        "import.apply",
        "scheduled import" if row.scheduled else "import",
        {"importId": row.id, "result": row.result},
    )
    async with transaction(deps.database, command) as tx:
        return await _apply(tx, row, row.result, deps.internal_registry)


async def _apply(
    tx: Transaction, row: ImportRow, body: Mapping[str, object], internal_registry: str
) -> Outcome:
    digests = digests_named_by(body)
    bodies = await load_storable_bodies(tx.connection, digests)
    if digests - bodies.keys():
        return Outcome.SKIPPED if await order_again(tx, row) else Outcome.DUPLICATE
    result = ImportResult.from_json(body, _contents(bodies))
    stream = await load_stream(
        tx.connection,
        row.namespace,
        row.stream,
        tags=tags_of(row.generations, result),
        lock=True,
    )
    if stream is None or stream.uid != row.stream_uid:
        return Outcome.GONE
    if not await mark_applied(tx, row.id, tx.command.at):
        return Outcome.DUPLICATE
    request = ImportRequest.from_json(row.request)
    results = applicable_results(stream, request, row.generations, result)
    # A repository without any tag was looked at all the same, which the stream must say.
    if not results and request.repository is None:
        return Outcome.SKIPPED
    await store_images(tx, _bodies_to_store(results, bodies))
    return await _save(tx, stream, results, internal_registry)


async def _save(
    tx: Transaction, stream: ImageStream, results: Sequence[TagResult], internal_registry: str
) -> Outcome:
    now = tx.command.at.replace(microsecond=0)
    try:
        after = decide_import(stream, [r.tag_import for r in results], now, internal_registry)
    except InvalidStream as error:
        # The stream was valid when it was written; what the registry had does not fit into it.
        _log.warning("import refused", stream=f"{stream.namespace}/{stream.name}", error=str(error))
        await _tell(tx, stream, str(error))
        return Outcome.SKIPPED
    if await save_stream(tx, stream, after, internal_registry) is None:
        return Outcome.UNCHANGED
    failures = [
        f"{r.tag_import.tag}: {r.tag_import.outcome.message}"
        for r in results
        if isinstance(r.tag_import.outcome, ImportFailure)
        and stream.history(r.tag_import.tag) != after.history(r.tag_import.tag)
    ]
    if failures:
        more = f" (and {len(failures) - 1} more tags)" if failures[1:] else ""
        await _tell(tx, stream, failures[0] + more)
    return Outcome.APPLIED


async def _tell(tx: Transaction, stream: ImageStream, message: str) -> None:
    await record_event(
        tx,
        {
            "apiVersion": "image.openshift.io/v1",
            "kind": "ImageStream",
            "namespace": stream.namespace,
            "name": stream.name,
            "uid": stream.uid,
        },
        reason="ImportFailed",
        message=message[:_MESSAGE_MAX],
        now=tx.command.at,
        component=_COMPONENT,
    )


def _contents(bodies: Bodies) -> dict[str, FetchedImage]:
    """What reading a result needs. Of an image that is stored already only the digest counts; the
    reference is the result's own."""
    return {
        digest: FetchedImage(digest, dict(body or {}), b"")  # type: ignore[arg-type]
        for digest, body in bodies.items()
    }


def _bodies_to_store(
    results: Sequence[TagResult], bodies: Bodies
) -> dict[str, Mapping[str, object]]:
    wanted: dict[str, Mapping[str, object]] = {}
    for result in results:
        for image in (result.found.image, *result.found.manifests):
            if image is not None and bodies[image.digest] is not None:
                wanted.setdefault(image.digest, image.body)
    return wanted
