"""Answers on the ASGI channel: status, headers and body.

Owns the headers that every response has and how a refusal is written. Which answer it is was
decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from tagstream.api.engine.call import Answer, error_encoding
from tagstream.api.wire.encode import encode_body
from tagstream.api.wire.status import ApiError

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
RawHeaders = list[tuple[bytes, bytes]]

CORE_CACHE = (b"cache-control", b"no-cache, private")
OPENSHIFT_CACHE = (b"cache-control", b"no-store")
PAGE_CACHE = OPENSHIFT_CACHE
TEXT = "text/plain; charset=utf-8"

_WARNING = '299 - "{}"'


def cache_control(group: str) -> tuple[bytes, bytes]:
    """The two groups of servers in an OpenShift cluster say it differently."""
    return OPENSHIFT_CACHE if group.endswith(".openshift.io") else CORE_CACHE


async def send_answer(send: Send, answer: Answer, common: RawHeaders) -> None:
    """A whole response. `common` are Cache-Control and Audit-Id; the answer's own come first."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    headers += _without(common, answer.headers)
    headers += [(b"warning", _quote_warning(text)) for text in answer.warnings]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _without(common: RawHeaders, own: tuple[tuple[bytes, bytes], ...]) -> RawHeaders:
    if not own:
        return common
    named = {name for name, _ in own}
    return [*own, *(pair for pair in common if pair[0] not in named)]


def _quote_warning(text: str) -> bytes:
    """A `Warning` value: quoted, without control characters that would end the header."""
    plain = "".join(char for char in text if char.isprintable())
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return _WARNING.format(quoted).encode("utf-8")


def build_refusal(error: ApiError, accept: str) -> Answer:
    """An ApiError as a response, in protobuf if that is what the client reads."""
    encoding = error_encoding(accept)
    headers: list[tuple[bytes, bytes]] = []
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.code == 413:
        # What is left of the body is not read.
        headers.append((b"connection", b"close"))
    body = encode_body(error.status, encoding)
    return Answer(error.code, encoding.value, body, headers=tuple(headers))


def plain_answer(status: int, text: str) -> Answer:
    """A line of text, as the health paths answer."""
    return Answer(status, TEXT, text.encode(), headers=((b"x-content-type-options", b"nosniff"),))


def first_values(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    """A query as a mapping; of a repeated parameter the first counts, as in Kubernetes."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values.setdefault(name, value)
    return values
