"""Objects to bytes: response bodies and watch events.

Owns the JSON, YAML and protobuf framing of responses. Which of them applies is decided in
`negotiation.py`; protobuf's wire format is in `k8s_protobuf.py`.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
import yaml

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.k8s_protobuf import encode_protobuf, frame_watch_event
from tagstream.api.wire.negotiation import Encoding

_PRETTY: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def encode_json(value: object, *, pretty: bool = False) -> bytes:
    """`value` as JSON with a newline at its end, as Kubernetes writes it."""
    return orjson.dumps(value, option=_PRETTY if pretty else orjson.OPT_APPEND_NEWLINE)


def encode_body(value: JsonObject, encoding: Encoding, *, pretty: bool = False) -> bytes:
    """An object in the negotiated encoding. Protobuf raises a 500 for a kind without a schema."""
    if encoding is Encoding.JSON:
        return encode_json(value, pretty=pretty)
    if encoding is Encoding.PROTOBUF:
        return encode_protobuf(value)
    return encode_yaml(value)


def encode_watch_event(event_type: str, encoded: bytes, encoding: Encoding) -> bytes:
    """One event of a watch around an object that `encode_body` wrote in the same encoding.

    The object is encoded once and framed for any number of watchers. A YAML watch sends one
    document an event.
    """
    if encoding is Encoding.PROTOBUF:
        return frame_watch_event(event_type, encoded)
    if encoding is Encoding.JSON:
        event = {"type": event_type, "object": orjson.Fragment(encoded.rstrip(b"\n"))}
        return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
    lines = encoded.decode().rstrip("\n").replace("\n", "\n  ")
    return f"---\nobject:\n  {lines}\ntype: {event_type}\n".encode()


class _Dumper(yaml.CSafeDumper):
    """Writes a repeated value in full: a reader of YAML need not know anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def encode_yaml(value: object) -> bytes:
    """`value` as YAML in block style with sorted keys."""
    text: bytes = yaml.dump(
        value, Dumper=_Dumper, encoding="utf-8", allow_unicode=True, default_flow_style=False
    )
    return text
