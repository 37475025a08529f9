"""Applying a finished import to its stream: images, tags, conditions and the Event, at once.

Owns loading and saving; what a result means is streams/import_applying.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tagstream.bus.outcomes import Outcome
from tagstream.store.images import load_storable_bodies, store_images
from tagstream.store.imports import load_import, mark_applied
from tagstream.store.journal import Transaction, transaction
from tagstream.store.object_events import record_event
from tagstream.store.stream_writes import save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_applying import decide_applied, tags_of
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.import_request import FetchedImage, ImportResult, digests_named_by
from tagstream.tag_tracker.deps import Deps
from tagstream.tag_tracker.ordering import order_again

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
        "scheduled import" if row.order.scheduled else "import",
        {"import": row.order.to_json(), "result": row.result},
    )
    async with transaction(deps.database, command) as tx:
        return await _apply(tx, row.order, row.result, deps.internal_registry)


async def _apply(
    tx: Transaction, order: OrderedImport, body: Mapping[str, object], internal_registry: str
) -> Outcome:
    digests = digests_named_by(body)
    bodies = await load_storable_bodies(tx.connection, digests)
    if digests - bodies.keys():
        tx.command = replace(tx.command, kind="import.again", arguments={"import": order.to_json()})
        return Outcome.SKIPPED if await order_again(tx, order) else Outcome.DUPLICATE
    result = ImportResult.from_json(body, _contents(bodies))
    stream = await load_stream(
        tx.connection,
        order.namespace,
        order.stream,
        tags=tags_of(order.generations, result),
        lock=True,
    )
    if stream is None or stream.uid != order.stream_uid:
        return Outcome.GONE
    if not await mark_applied(tx, order.id, tx.command.at):
        return Outcome.DUPLICATE
    now = tx.command.at.replace(microsecond=0)
    applied = decide_applied(stream, order, result, now, internal_registry)
    if applied is None:
        return Outcome.SKIPPED
    missing = {d: i.body for d, i in applied.images().items() if bodies[d] is not None}
    await store_images(tx, missing)
    written = await save_stream(tx, stream, applied.after, internal_registry)
    if applied.failures:
        more = f" (and {len(applied.failures) - 1} more tags)" if applied.failures[1:] else ""
        await _tell(tx, stream, applied.failures[0] + more)
    return Outcome.UNCHANGED if written is None else Outcome.APPLIED


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
