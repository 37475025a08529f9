"""Answering "fetch these now": one request in, one result out, images named by digest.

Owns the form of the answer. A reply that is too large for NATS goes compressed, with the header
`Content-Encoding: gzip`.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Coroutine

import orjson
from faststream.nats import NatsBroker, NatsMessage, NatsResponse

from tagstream.bus.replies import REPLY_MAX_BYTES
from tagstream.errors import InvalidInput, TagstreamError, Unavailable
from tagstream.events.subjects import RPC_FETCH
from tagstream.importer.deps import Deps
from tagstream.importer.handlers import fetch_and_keep
from tagstream.streams.import_request import ImportRequest
from tagstream.telemetry import names
from tagstream.telemetry.tracing import span

QUEUE = "importer"
# Mostly waiting: enough that a slow registry does not take every place.
_CONCURRENT_REQUESTS = 256
_STOP_GRACE_S = 0.5


async def on_fetch_requested(payload: bytes, deps: Deps) -> bytes:
    """The result's JSON, whose images wait in the manifest cache.

    Raises InvalidInput for what is no request and Unavailable when Postgres is away.
    """
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("", f"the import request is not JSON: {error}") from error
    result = await fetch_and_keep(ImportRequest.from_json(body), deps, "request")
    return orjson.dumps(result.to_json())


async def build_reply(answer: bytes) -> NatsResponse:
    """The reply, compressed when it would not fit. Raises TagstreamError when it never fits."""
    if len(answer) <= REPLY_MAX_BYTES:
        return NatsResponse(answer)
    packed = await asyncio.to_thread(gzip.compress, answer, 1)
    if len(packed) > REPLY_MAX_BYTES:
        raise TagstreamError("the import's result is larger than a reply can be; import less")
    return NatsResponse(packed, headers={"Content-Encoding": "gzip"})


def add_fetch_subscriber(broker: NatsBroker, deps: Deps, stop: asyncio.Event) -> None:
    """Registers the one subject, shared by all replicas.

    Once `stop` is set, what is not done in a moment is answered as Unavailable: who asked would
    else wait for nothing.
    """

    @broker.subscriber(RPC_FETCH, queue=QUEUE, max_workers=_CONCURRENT_REQUESTS)
    async def fetch_now(payload: bytes, message: NatsMessage) -> NatsResponse:
        traceparent = (message.headers or {}).get("traceparent", "")
        with span(names.MESSAGE_SPAN, traceparent, consumer="importer-fetch"):
            return await build_reply(await _unless_stopped(on_fetch_requested(payload, deps), stop))


async def _unless_stopped(work: Coroutine[None, None, bytes], stop: asyncio.Event) -> bytes:
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=_STOP_GRACE_S)
        if not working.done():
            raise Unavailable("the importer is stopping; ask again")
        return working.result()
    finally:
        working.cancel()
        stopped.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)
