"""Asking an importer to fetch now, over NATS.

Owns this side of the exchange; its other side is the importer's. When an importer falls silent
another one is asked: fetching twice does no harm, and what counts is decided with the stream.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import orjson
from nats.aio.client import Client

from tagstream.bus.requests import Asker
from tagstream.events.subjects import RPC_FETCH
from tagstream.streams.import_request import ImportRequest

# For secrets, the cache and the way there and back, beside the fetching itself.
_MARGIN_S = 1.0
_DEADLINE_MIN_S = 0.5
_GZIP_MARK = b"\x1f\x8b"


class NatsFetcher:
    """`Fetcher` over one NATS connection, which any number of requests share."""

    def __init__(self, nats: Client) -> None:
        self._asker = Asker(nats)

    async def fetch(self, request: ImportRequest, *, traceparent: str) -> Mapping[str, object]:
        """The JSON of an ImportResult.

        Raises Unavailable when no importer answers in time, and whatever the importer raised.
        """

        def build_payload(left_s: float) -> bytes:
            deadline_s = min(request.deadline_s, max(left_s - _MARGIN_S, _DEADLINE_MIN_S))
            return orjson.dumps(replace(request, deadline_s=deadline_s).to_json())

        answer = await self._asker.ask(
            RPC_FETCH,
            build_payload,
            timeout_s=request.deadline_s + _MARGIN_S,
            headers={"traceparent": traceparent} if traceparent else None,
        )
        # Its header says so too; no JSON starts like this.
        if answer.startswith(_GZIP_MARK):
            answer = await asyncio.to_thread(gzip.decompress, answer)
        return cast("Mapping[str, object]", orjson.loads(answer))
