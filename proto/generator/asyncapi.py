"""The AsyncAPI 3 document of what Tagstream says and hears on NATS.

A channel for each type, because its address holds the type; the JetStream stream that keeps it is
an `x-jetstream` extension, since AsyncAPI's NATS binding knows queue groups only. FastStream's own
generator is not used here: it describes what FastStream subscribers hear, without their replies,
and no fact or job goes through one.
"""

from __future__ import annotations

from collections.abc import Mapping

from generator.descriptors import Message
from generator.json_schema import JsonObject, message_schema
from tagstream.bus.signs import SIGN_HEADER, WANTED_HEADER, look_subject, replica_subject
from tagstream.events import subjects
from tagstream.events.facts import FACTS

_PARAMETERS = {
    "host": "Registry host, as a subject token.",
    "namespace": "Namespace as a subject token; `_` for none.",
    "stream": "Image stream as a subject token; `_` for none.",
    "tag": "Tag as a subject token (`3.6` is `3%2E6`); `_` for none.",
}
_HEADERS = {
    "ce-specversion": "Always 1.0.",
    "ce-id": "Id of the event, computed from its cause: drop what you have seen.",
    "ce-source": "The installation.",
    "ce-type": "The type, with its version.",
    "ce-subject": "What it is about: `namespace/stream:tag`.",
    "ce-time": "When it was committed, RFC 3339.",
    "ce-datacontenttype": "Always application/json.",
    "traceparent": "W3C trace context of the request that caused it.",
}
_INTERNAL = "Internal to one release and the next; not part of the contract."
_REQUIRED_HEADERS = ["ce-specversion", "ce-id", "ce-source", "ce-type"]


def build_asyncapi(messages: Mapping[str, Message]) -> JsonObject:
    """The whole document, in a stable order."""
    typed = [message for message in messages.values() if message.event_type]
    operations: JsonObject = {}
    for message in typed:
        operations.update(_operations(message))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tagstream events",
            "version": "1.0.0",
            "description": (
                "Facts about image tags, and the jobs behind them, as CloudEvents 1.0 in NATS "
                "binary mode. Generated from proto/ by proto/generate.py; do not edit."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"nats": _server()},
        "channels": {
            **{_key(message): _channel(message) for message in typed},
            **_fetch_channels(),
        },
        "operations": {**operations, **_fetch_operations()},
        "components": {
            "messages": {message.name: _message(message) for message in typed},
            "messageTraits": {"cloudEvent": _cloud_event_trait()},
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "schemas": {
                message.name: message_schema(message, "#/components/schemas/")
                for message in messages.values()
            },
        },
    }


def _server() -> JsonObject:
    return {
        "host": "{host}:{port}",
        "protocol": "nats",
        "description": "The NATS server of the installation, with JetStream.",
        "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
    }


def _channel(message: Message) -> JsonObject:
    parameters = ["namespace", "stream", "tag"]
    noun, verb = subjects.noun_and_verb(message.event_type)
    address = f"{subjects.EVENTS_PREFIX}.{{namespace}}.{noun}.{verb}.{{stream}}.{{tag}}"
    jetstream = {"stream": subjects.EVENTS_STREAM, "retention": "limits"}
    if not _is_fact(message):
        parameters = ["host", "namespace", "stream"]
        address = f"{subjects.JOBS_PREFIX}.import.{{host}}.{{namespace}}.{{stream}}"
        jetstream = {"stream": subjects.JOBS_STREAM, "retention": "workqueue"}
    return {
        "address": address,
        "description": message.description,
        "messages": {message.name: _reference("messages", message.name)},
        "parameters": {name: _reference("parameters", name) for name in parameters},
        "x-jetstream": jetstream,
    }


def _operations(message: Message) -> JsonObject:
    key = _key(message)
    sends = _operation("send", key, f"Tagstream publishes {message.name}, in order of position.")
    if _is_fact(message):
        return {f"publish{message.name}": sends}
    takes = _operation("receive", key, f"One importer takes each {message.name}.")
    return {f"publish{message.name}": sends, f"take{message.name}": takes}


def _operation(action: str, channel: str, summary: str) -> JsonObject:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "bindings": {"nats": {"bindingVersion": "0.1.0"}},
    }


def _message(message: Message) -> JsonObject:
    return {
        "name": message.event_type,
        "title": message.name,
        "summary": message.description,
        "contentType": "application/json",
        "traits": [_reference("messageTraits", "cloudEvent")],
        "payload": _reference("schemas", message.name),
    }


def _cloud_event_trait() -> JsonObject:
    return {
        "headers": {
            "type": "object",
            "required": _REQUIRED_HEADERS,
            "properties": {
                name: {"type": "string", "description": text} for name, text in _HEADERS.items()
            },
        }
    }


def _fetch_channels() -> JsonObject:
    return {
        "fetch": {
            "address": subjects.RPC_FETCH,
            "description": (
                "Request/reply: the api asks an importer to fetch images now. While it works, the "
                f"importer sends signs of life to the inbox, with the header {SIGN_HEADER}, if the "
                f"request has the header {WANTED_HEADER}. {_INTERNAL}"
            ),
        },
        "fetchLook": {
            "address": look_subject(subjects.RPC_FETCH),
            "description": (
                "The importer that had a request fell silent or leaves, and the api asks who is "
                f"there. The message is empty, its inbox is the request's. {_INTERNAL}"
            ),
        },
        "fetchReplica": {
            "address": replica_subject(subjects.RPC_FETCH, "{replica}"),
            "description": f"The request, for the importer that said it is there. {_INTERNAL}",
            "parameters": {"replica": {"description": "The importer's name for itself."}},
        },
    }


def _fetch_operations() -> JsonObject:
    answers = "One importer answers each request, to the requester's inbox."
    says = "Every importer that is there says so, and names its own subject in the body."
    return {
        "fetch": _fetch_operation("fetch", answers, queue="importer"),
        "fetchLook": _fetch_operation("fetchLook", says),
        "fetchReplica": _fetch_operation("fetchReplica", answers),
    }


def _fetch_operation(channel: str, summary: str, **binding: str) -> JsonObject:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "reply": {"address": {"location": "$message.header#/reply-to"}},
        "bindings": {"nats": {**binding, "bindingVersion": "0.1.0"}},
    }


def _is_fact(message: Message) -> bool:
    return message.event_type in FACTS


def _key(message: Message) -> str:
    return message.name[0].lower() + message.name[1:]


def _reference(section: str, name: str) -> JsonObject:
    return {"$ref": f"#/components/{section}/{name}"}
