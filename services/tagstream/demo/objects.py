"""What the demo sends to the api and reads in its answers, as `oc` and `kubectl` would. Pure.

Owns the bodies (golden: what `oc import-image`, `oc tag` and `oc set triggers` send) and the paths
into the answers. A missing field reads as an empty string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tagstream.kube.resources import ResourceType

_GROUP = "image.openshift.io/v1"
STREAMS = ResourceType(_GROUP, "ImageStream", "imagestreams")
STREAM_TAGS = ResourceType(_GROUP, "ImageStreamTag", "imagestreamtags")
IMPORTS = ResourceType(_GROUP, "ImageStreamImport", "imagestreamimports")
DEPLOYMENTS = ResourceType("apps/v1", "Deployment", "deployments")
SAMPLES_CONFIG = ResourceType(
    "samples.operator.openshift.io/v1", "Config", "configs", namespaced=False
)
TEMPLATES = ResourceType("template.openshift.io/v1", "Template", "templates")

NAMESPACE = "default"
SAMPLES_NAMESPACE = "openshift"
STREAM = "app"
BUILD_TAG = "1"
PRODUCTION_TAG = "prod"
WORKLOAD = "web"

_TRIGGERS = "image.openshift.io/triggers"


def import_body(pull_spec: str, version: str = "") -> dict[str, object]:
    """`oc import-image app:1 --from=PULL_SPEC --confirm --insecure`.

    `version` is the resourceVersion of the stream where it exists already.
    """
    metadata = {"name": STREAM, "namespace": NAMESPACE}
    image = {
        "from": {"kind": "DockerImage", "name": pull_spec},
        "to": {"name": BUILD_TAG},
        "importPolicy": {"insecure": True, "importMode": "Legacy"},
        "referencePolicy": {"type": "Source"},
    }
    return {
        **_kind(IMPORTS),
        "metadata": {**metadata, "resourceVersion": version} if version else metadata,
        "spec": {"import": True, "images": [image]},
        "status": {},
    }


def tag_body(tag: str, digest: str) -> dict[str, object]:
    """`oc tag app@DIGEST app:TAG`, which is also what `oc tag app:OTHER app:TAG` sends."""
    return {
        **_kind(STREAM_TAGS),
        "metadata": {"name": f"{STREAM}:{tag}", "namespace": NAMESPACE},
        "tag": {
            "name": tag,
            "annotations": None,
            "from": {"kind": "ImageStreamImage", "name": f"{STREAM}@{digest}"},
            "generation": None,
            "importPolicy": {"importMode": "Legacy"},
            "referencePolicy": {"type": "Source"},
        },
        "generation": 0,
        "lookupPolicy": {"local": False},
        "image": {"metadata": {}, "dockerImageMetadata": None},
    }


def deployment_body() -> dict[str, object]:
    """A Deployment that follows app:prod; the image it names itself is only a placeholder."""
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": f"{STREAM}:{PRODUCTION_TAG}"},
        "fieldPath": f'spec.template.spec.containers[?(@.name=="{WORKLOAD}")].image',
    }
    labels = {"app": WORKLOAD}
    return {
        **_kind(DEPLOYMENTS),
        "metadata": {"name": WORKLOAD, "annotations": {_TRIGGERS: json.dumps([trigger])}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": WORKLOAD, "image": "placeholder:1"}]},
            },
        },
    }


def imported_digest(answer: Mapping[str, object]) -> str:
    """The digest of the one image of an import's answer; empty if it failed."""
    if text_at(answer, "status", "images", 0, "status", "status") != "Success":
        return ""
    return text_at(answer, "status", "images", 0, "image", "metadata", "name")


def import_problem(answer: Mapping[str, object]) -> str:
    """Why the import failed, as the server says it."""
    return text_at(answer, "status", "images", 0, "status", "message")


def tagged_digest(stream_tag: Mapping[str, object]) -> str:
    """The image that an ImageStreamTag resolves to."""
    return text_at(stream_tag, "image", "metadata", "name")


def tagged_pull_spec(stream_tag: Mapping[str, object]) -> str:
    return text_at(stream_tag, "image", "dockerImageReference")


def container_image(deployment: Mapping[str, object]) -> str:
    return text_at(deployment, "spec", "template", "spec", "containers", 0, "image")


def history_of(stream: Mapping[str, object], tag: str) -> list[str]:
    """The digests that the tag has had, newest first."""
    tags = _at(stream, "status", "tags")
    for entry in tags if isinstance(tags, list) else ():
        if text_at(entry, "tag") == tag:
            items = _at(entry, "items")
            return [text_at(item, "image") for item in items] if isinstance(items, list) else []
    return []


def text_at(document: object, *path: str | int) -> str:
    """The text at a path of keys and positions; empty when there is none."""
    found = _at(document, *path)
    return found if isinstance(found, str) else ""


def _at(document: object, *path: str | int) -> object:
    for step in path:
        if isinstance(document, Mapping) and isinstance(step, str):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def _kind(resource: ResourceType) -> dict[str, object]:
    return {"kind": resource.kind, "apiVersion": resource.api_version}
