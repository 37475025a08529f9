"""CloudEvents 1.0 over NATS: one value, its binary-mode headers, its structured JSON form.

Owns the mapping (the CloudEvents NATS protocol binding and JSON format) and the rule for a fact's
id. Does not know what the data means, and publishes nothing.

Binary mode: each attribute is a header `ce-<name>`, the data is the payload. In a header's value a
space, `"`, `%` and everything outside printable ASCII is percent-encoded as UTF-8. Header names are
matched without regard to case. The trace context travels as the W3C header `traceparent`; on
reading, `ce-traceparent` (the CloudEvents extension) is taken as well.
Structured mode: the header `Content-Type` starts with `application/cloudevents`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson

from tagstream.errors import InvalidInput
from tagstream.events.message import format_timestamp

SPEC_VERSION: Final = "1.0"
JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
SOURCE: Final = "/tagstream"

_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_UNSAFE = re.compile(r'[^!-~]|["%]')
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_KNOWN = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "traceparent"}
)


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event. `data` is the payload's bytes; empty strings and None mean "not set".

    `extras` are the extension attributes besides `traceparent`: lower-case letters and digits, with
    values that are not empty.
    """

    id: str
    source: str
    type: str
    subject: str = ""
    time: datetime | None = None
    data: bytes = b""
    datacontenttype: str = JSON
    traceparent: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)

    def data_object(self) -> dict[str, object]:
        """The data as a JSON object. Raises InvalidInput when it is not one."""
        try:
            value = orjson.loads(self.data)
        except orjson.JSONDecodeError as error:
            raise InvalidInput("data", f"the event's data is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise InvalidInput("data", "the event's data must be a JSON object")
        return value


def fact_id(command_id: str, number: int, event_type: str) -> str:
    """The id of a command's `number`-th fact: 32 hex digits, the same whenever it is computed.

    It is the first 16 bytes of the SHA-256 of command id, number and type, separated by newlines,
    so that handling a command twice yields ids that are recognised.
    """
    return hashlib.sha256(f"{command_id}\n{number}\n{event_type}".encode()).hexdigest()[:32]


def to_headers(event: CloudEvent) -> dict[str, str]:
    """The NATS headers of the event in binary mode; its payload is `event.data`."""
    headers = {f"ce-{name}": _encode(value) for name, value in _attributes(event).items()}
    if event.traceparent:
        headers["traceparent"] = event.traceparent
    return headers


def to_structured(event: CloudEvent) -> bytes:
    """The event as one JSON document (`application/cloudevents+json`).

    Data of a JSON type is embedded as JSON, anything else as base64.
    """
    document: dict[str, object] = dict(_attributes(event))
    if event.traceparent:
        document["traceparent"] = event.traceparent
    if event.data and _is_json(event.datacontenttype):
        document["data"] = orjson.Fragment(event.data)
    elif event.data:
        document["data_base64"] = base64.b64encode(event.data).decode()
    return orjson.dumps(document)


def from_message(headers: Mapping[str, str] | None, payload: bytes) -> CloudEvent:
    """Read the event of a NATS message, in either mode.

    Raises InvalidInput, naming the attribute, when it is not a CloudEvent 1.0.
    """
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    content_type = lowered.get("content-type", "").strip().lower()
    if content_type.startswith("application/cloudevents"):
        return _from_structured(payload)
    attributes = {
        name[3:]: _decode(name[3:], value)
        for name, value in lowered.items()
        if name.startswith("ce-")
    }
    if "traceparent" in lowered:
        attributes["traceparent"] = lowered["traceparent"]
    return _from_attributes(attributes, payload)


def _from_structured(payload: bytes) -> CloudEvent:
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("", f"the structured CloudEvent is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput("", "the structured CloudEvent must be a JSON object")
    attributes = {
        name: _text(value)
        for name, value in document.items()
        if name not in ("data", "data_base64") and value is not None
    }
    return _from_attributes(attributes, _structured_data(document))


def _structured_data(document: dict[str, object]) -> bytes:
    encoded = document.get("data_base64")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise InvalidInput("data_base64", f"not base64: {error}") from error
    data = document.get("data")
    if isinstance(data, str) and not _is_json(str(document.get("datacontenttype", JSON))):
        return data.encode()
    return b"" if data is None else orjson.dumps(data)


def _from_attributes(attributes: dict[str, str], data: bytes) -> CloudEvent:
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise InvalidInput(name, f"a CloudEvent must carry {name!r} (header ce-{name})")
    version = attributes.get("specversion", "")
    if version != SPEC_VERSION:
        raise InvalidInput("specversion", f"must be {SPEC_VERSION}, not {version!r}")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject", ""),
        time=_parse_time(attributes.get("time", "")),
        data=data,
        datacontenttype=attributes.get("datacontenttype", JSON),
        traceparent=attributes.get("traceparent", ""),
        extras={name: value for name, value in attributes.items() if name not in _KNOWN},
    )


def _attributes(event: CloudEvent) -> dict[str, str]:
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "datacontenttype": event.datacontenttype,
    }
    if event.subject:
        attributes["subject"] = event.subject
    if event.time is not None:
        attributes["time"] = format_timestamp(event.time)
    for name, value in event.extras.items():
        if name in _KNOWN or not _ATTRIBUTE.fullmatch(name):
            raise InvalidInput(name, "an extension has a name of its own, in a-z and 0-9")
        attributes[name] = value
    return attributes


def _parse_time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("time", f"{text!r} is not an RFC 3339 time") from error
    if time.tzinfo is None:
        raise InvalidInput("time", f"{text!r} has no time zone; end it with Z")
    return time.astimezone(UTC)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.endswith(("/json", "+json"))


def _encode(value: str) -> str:
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def _decode(name: str, value: str) -> str:
    try:
        return _ENCODED.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), value)
    except UnicodeDecodeError as error:
        raise InvalidInput(name, f"the header's value {value!r} does not encode UTF-8") from error
