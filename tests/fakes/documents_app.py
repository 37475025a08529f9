"""A tiny API server for the documents alone: they, and a create that checks fields."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

from tagstream.api.documents.documents import Documents
from tagstream.api.engine.call import Answer
from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.server.ports import Headers
from tagstream.api.wire.field_validation import apply_field_policy, parse_field_validation
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError, bad_request, generic_not_found

IMAGE_GROUP = "image.openshift.io"
_TAG_VERBS = ("create", "delete", "get", "list", "patch", "update")
_STATUS_VERBS = ("get", "patch", "update")


def image_kind(resource: str, kind: str, verbs: tuple[str, ...] | None = None, **rest: Any) -> Kind:
    named = {"namespaced": True, **rest}
    if verbs is not None:
        named["verbs"] = verbs
    return Kind(IMAGE_GROUP, "v1", resource, kind, kind.lower(), **named)


DEPLOYMENTS = Kind(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    "deployment",
    namespaced=True,
    short_names=("deploy",),
    categories=("all",),
    subresources=(
        Subresource("scale", "Scale", _STATUS_VERBS, "autoscaling", "v1"),
        Subresource("status", "Deployment", _STATUS_VERBS),
    ),
)
STREAMS = image_kind(
    "imagestreams",
    "ImageStream",
    short_names=("is",),
    categories=("all",),
    subresources=(
        Subresource("layers", "ImageStreamLayers", ("get",)),
        Subresource("secrets", "SecretList", ("get",)),
        Subresource("status", "ImageStream", _STATUS_VERBS),
    ),
)
IMAGE_KINDS = (
    STREAMS,
    image_kind("images", "Image", namespaced=False),
    image_kind("imagesignatures", "ImageSignature", ("create", "delete"), namespaced=False),
    image_kind("imagestreamtags", "ImageStreamTag", _TAG_VERBS, short_names=("istag",)),
    image_kind("imagetags", "ImageTag", _TAG_VERBS, short_names=("itag",)),
    image_kind("imagestreamimages", "ImageStreamImage", ("get",), short_names=("isimage",)),
    image_kind("imagestreammappings", "ImageStreamMapping", ("create",)),
    image_kind("imagestreamimports", "ImageStreamImport", ("create",)),
)
KINDS = (
    Kind("", "v1", "namespaces", "Namespace", "namespace", False, short_names=("ns",)),
    Kind("", "v1", "secrets", "Secret", "secret", True),
    Kind("", "v1", "configmaps", "ConfigMap", "configmap", True, short_names=("cm",)),
    DEPLOYMENTS,
    *IMAGE_KINDS,
    Kind("tagstream.dev", "v1alpha1", "triggerpauses", "TriggerPause", "triggerpause", False),
)


class DocumentsApp:
    """The ASGI application."""

    def __init__(self) -> None:
        self.schemas = Schemas()
        self.documents = Documents(lambda: KINDS, self.schemas)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
        try:
            answer = self._answer(scope, body)
        except ApiError as error:
            content = json.dumps(error.status).encode()
            answer = Answer(error.code, "application/json", content)
        headers = [(b"content-type", answer.content_type.encode()), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _answer(self, scope: Any, body: bytes) -> Answer:
        query = dict(parse_qsl(scope["query_string"].decode()))
        if body:
            return self._create(json.loads(body), query)
        answer = self.documents.answer(scope["path"], query, Headers(scope["headers"]))
        if answer is None:
            raise generic_not_found()
        return answer

    def _create(self, body: JsonObject, query: dict[str, str]) -> Answer:
        kind = next(found for found in KINDS if found.kind == body["kind"])
        wrong = self.schemas.type_errors(kind, body)
        if wrong:
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                + wrong[0]
            )
        policy = parse_field_validation(query.get("fieldValidation"))
        unknown = self.schemas.unknown_fields(kind, body)
        apply_field_policy(policy, unknown, kind.kind, kind.version)
        return Answer(201, "application/json", json.dumps(body).encode())


@contextlib.contextmanager
def serve_documents() -> Iterator[str]:
    """Runs the application in a thread, on a free port; yields its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(DocumentsApp(), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            # Connections are queued from here on, even before the server has started.
            listener.listen()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
