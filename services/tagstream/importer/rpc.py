"""Answering "fetch these now": one request in, one result out, images named by digest.

Owns the form of the answer. A reply that is too large for NATS goes compressed, with the header
`Content-Encoding: gzip`.
"""

from __future__ import annotations

import asyncio
import gzip

import orjson
from faststream.nats import NatsBroker, NatsMessage, NatsResponse

from tagstream.bus.replies import REPLY_MAX_BYTES
from tagstream.bus.sharing import add_shared_subscriber
from tagstream.errors import InvalidInput, TagstreamError
from tagstream.events.subjects import RPC_FETCH
from tagstream.importer.deps import Deps
from tagstream.importer.handlers import fetch_and_keep
from tagstream.streams.import_request import ImportRequest
from tagstream.telemetry import names
from tagstream.telemetry.tracing import span

QUEUE = "importer"
# Mostly waiting: enough that a slow registry does not take every place.
_CONCURRENT_REQUESTS = 256


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
    """Registers what all replicas serve together; fetching twice does no harm.

    Once `stop` is set, what is not done in a moment is left to another replica.
    """

    async def fetch_now(payload: bytes, message: NatsMessage) -> NatsResponse:
        traceparent = (message.headers or {}).get("traceparent", "")
        with span(names.MESSAGE_SPAN, traceparent, consumer="importer-fetch"):
            return await build_reply(await on_fetch_requested(payload, deps))

    add_shared_subscriber(
        broker, RPC_FETCH, fetch_now, queue=QUEUE, places=_CONCURRENT_REQUESTS, stop=stop
    )
