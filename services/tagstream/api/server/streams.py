"""Open watches on the ASGI channel: sent as they come, ended with their client or the process."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing

from tagstream.api.engine.call import StreamAnswer
from tagstream.api.server.responses import RawHeaders, Receive, Send
from tagstream.telemetry import metrics
from tagstream.telemetry.names import HTTP_WATCHES


class OpenStreams:
    """All watches of the process."""

    def __init__(self) -> None:
        self._open: dict[int, StreamAnswer] = {}
        self._stopping = False

    def stop(self) -> None:
        """Ends every stream; one that is opened later ends at once."""
        self._stopping = True
        for answer in list(self._open.values()):
            answer.stop()

    async def run(
        self,
        answer: StreamAnswer,
        resource: str,
        common: RawHeaders,
        receive: Receive,
        send: Send,
    ) -> None:
        """Sends the stream until it ends or the client leaves."""
        self._open[id(answer)] = answer
        metrics.shift(HTTP_WATCHES, 1, resource=resource)
        gone = asyncio.create_task(_stop_with_client(answer, receive))
        if self._stopping:
            answer.stop()
        try:
            await _send_frames(answer, common, send)
        finally:
            gone.cancel()
            # One whose first frame was never asked for has to let go of what it holds, too.
            answer.stop()
            del self._open[id(answer)]
            metrics.shift(HTTP_WATCHES, -1, resource=resource)


async def _send_frames(answer: StreamAnswer, common: RawHeaders, send: Send) -> None:
    headers = [(b"content-type", answer.content_type.encode()), *common, *answer.headers]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    # The head leaves at once: a client waits for it before it reads events.
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    # A client that left meanwhile is no error.
    with contextlib.suppress(OSError):
        async with aclosing(answer.frames) as frames:
            async for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _stop_with_client(answer: StreamAnswer, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    answer.stop()
