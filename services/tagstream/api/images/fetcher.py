"""Asking an importer to fetch now, over NATS.

Owns this side of the exchange; its other side is the importer's. Never asks twice: the caller
knows whether it still wants the answer.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from typing import cast

import orjson
from nats.aio.client import Client

from tagstream.bus.requests import request as ask
from tagstream.events.subjects import RPC_FETCH
from tagstream.streams.import_request import ImportRequest

# For secrets, the cache and the way there and back, beside the fetching itself.
_MARGIN_S = 1.0
_GZIP_MARK = b"\x1f\x8b"


class NatsFetcher:
    """`Fetcher` over one NATS connection, which any number of requests share."""

    def __init__(self, nats: Client) -> None:
        self._nats = nats

    async def fetch(self, request: ImportRequest, *, traceparent: str) -> Mapping[str, object]:
        """The JSON of an ImportResult.

        Raises Unavailable when no importer answers in time, and whatever the importer raised.
        """
        answer = await ask(
            self._nats,
            RPC_FETCH,
            orjson.dumps(request.to_json()),
            timeout_s=request.deadline_s + _MARGIN_S,
            headers={"traceparent": traceparent} if traceparent else None,
        )
        # Its header says so too; no JSON starts like this.
        if answer.startswith(_GZIP_MARK):
            answer = await asyncio.to_thread(gzip.decompress, answer)
        return cast("Mapping[str, object]", orjson.loads(answer))
