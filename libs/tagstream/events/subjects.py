"""Every NATS subject and JetStream stream name, built and read here and nowhere else (what hangs
below a subject of requests: `bus.signs`).

    tagstream.events.<namespace>.<noun>.<verb>.<stream>.<tag>     facts
    tagstream.jobs.import.<host>.<namespace>.<stream>             import jobs
    tagstream.jobs.redrive.<durable>                              dead letters that were put back
    tagstream.rpc.fetch                                           "fetch these now", request/reply
    tagstream.rpc.fetch.look, tagstream.rpc.fetch.replica.<id>    the same, from a second replica

A name becomes one token:
- `_` stands for "none" (a fact about no single namespace, stream or tag); a name that is `_` itself
  becomes `%5F`;
- whatever NATS gives a meaning or forbids (dot, `*`, `>`, space, control and non-ASCII characters)
  and `%` is percent-encoded as UTF-8: `3.6` becomes `3%2E6`; so is a leading `~`;
- a token that would exceed 200 bytes becomes `~` and the SHA-256 of the name in hex.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from tagstream.errors import InvalidInput

EVENTS_STREAM: Final = "TAGSTREAM_EVENTS"
JOBS_STREAM: Final = "TAGSTREAM_JOBS"
EVENTS_PREFIX: Final = "tagstream.events"
JOBS_PREFIX: Final = "tagstream.jobs"
EVENTS_SUBJECTS: Final = f"{EVENTS_PREFIX}.>"
JOBS_SUBJECTS: Final = f"{JOBS_PREFIX}.>"
RPC_FETCH: Final = "tagstream.rpc.fetch"
TYPE_PREFIX: Final = "dev.tagstream"

NONE_TOKEN: Final = "_"
HASH_MARK: Final = "~"
MAX_TOKEN_BYTES: Final = 200

_UNSAFE = re.compile(r"[^!-~]|[.*>%]")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_TYPE = re.compile(r"(?:dev\.tagstream\.)?([a-z]+)\.([a-z]+)(?:\.v[0-9]+)?")


@dataclass(frozen=True, slots=True)
class EventSubject:
    """A fact's subject, taken apart. An empty name means none.

    A token that had to be hashed comes back as it stands, with its `~`, which no name of a
    namespace, stream or tag starts with: read the name from the fact's data then.
    """

    namespace: str
    noun: str
    verb: str
    stream: str
    tag: str


@dataclass(frozen=True, slots=True)
class ImportSubject:
    """An import job's subject, taken apart; hashed tokens as in `EventSubject`."""

    host: str
    namespace: str
    stream: str


def encode_token(name: str) -> str:
    """The token for a name; `_` for the empty one."""
    if name == "":
        return NONE_TOKEN
    if name == NONE_TOKEN:
        return "%5F"
    token = _UNSAFE.sub(_percent, name)
    if token.startswith(HASH_MARK):
        token = "%7E" + token[1:]
    if len(token) > MAX_TOKEN_BYTES:
        return HASH_MARK + hashlib.sha256(name.encode()).hexdigest()
    return token


def decode_token(token: str) -> str:
    """The name behind a token; empty for `_`, and a hashed token as it stands.

    Raises InvalidInput when the token holds bytes that are not UTF-8.
    """
    if token == NONE_TOKEN:
        return ""
    try:
        return _ENCODED.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), token)
    except UnicodeDecodeError as error:
        raise InvalidInput("subject", f"the token {token!r} does not encode UTF-8") from error


def noun_and_verb(event_type: str) -> tuple[str, str]:
    """`("tag", "changed")` for `dev.tagstream.tag.changed.v1`; the short `tag.changed` will do.

    Raises InvalidInput for anything else.
    """
    match = _TYPE.fullmatch(event_type)
    if match is None:
        raise InvalidInput(
            "type",
            f"{event_type!r} is not an event type; write it like dev.tagstream.tag.changed.v1",
        )
    return match[1], match[2]


def event_subject(event_type: str, namespace: str, stream: str = "", tag: str = "") -> str:
    """The subject of a fact; leave empty what it is not about."""
    noun, verb = noun_and_verb(event_type)
    return ".".join(
        (
            EVENTS_PREFIX,
            encode_token(namespace),
            noun,
            verb,
            encode_token(stream),
            encode_token(tag),
        )
    )


def parse_event_subject(subject: str) -> EventSubject:
    """Take a fact's subject apart. Raises InvalidInput when it is not one."""
    tokens = subject.split(".")
    if len(tokens) != 7 or not subject.startswith(f"{EVENTS_PREFIX}.") or not all(tokens):
        raise InvalidInput("subject", f"{subject!r} is not {EVENTS_PREFIX}. and five tokens")
    namespace, noun, verb, stream, tag = tokens[2:]
    return EventSubject(
        decode_token(namespace), noun, verb, decode_token(stream), decode_token(tag)
    )


def import_subject(host: str, namespace: str, stream: str) -> str:
    """The subject of an import job: one stream, one registry host (`quay.io`, `[::1]:5000`)."""
    names = (encode_token(host), encode_token(namespace), encode_token(stream))
    return f"{JOBS_PREFIX}.import.{'.'.join(names)}"


def parse_import_subject(subject: str) -> ImportSubject:
    """Take an import job's subject apart. Raises InvalidInput when it is not one."""
    tokens = subject.split(".")
    if len(tokens) != 6 or not subject.startswith(f"{JOBS_PREFIX}.import.") or not all(tokens):
        raise InvalidInput("subject", f"{subject!r} is not {JOBS_PREFIX}.import. and three tokens")
    return ImportSubject(*map(decode_token, tokens[3:]))


def events_filter(
    namespace: str | None = None,
    event_type: str | None = None,
    stream: str | None = None,
    tag: str | None = None,
) -> str:
    """The subject filter for the facts asked for; None means any, an empty name means none."""
    noun, verb = ("*", "*") if event_type is None else noun_and_verb(event_type)
    tokens = [_token_or_any(namespace), noun, verb, _token_or_any(stream), _token_or_any(tag)]
    while tokens and tokens[-1] == "*":
        tokens.pop()
    rest = ">" if len(tokens) < 5 else ""
    return ".".join(filter(None, (EVENTS_PREFIX, *tokens, rest)))


def redrive_subject(durable: str) -> str:
    """Where a dead letter of this durable is put back, for nobody else to hear."""
    return f"{JOBS_PREFIX}.redrive.{encode_token(durable)}"


def imports_filter(host: str | None = None) -> str:
    """The subject filter for import jobs, of one registry host or of all."""
    return f"{JOBS_PREFIX}.import.{_token_or_any(host)}.>"


def _token_or_any(name: str | None) -> str:
    return "*" if name is None else encode_token(name)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())
