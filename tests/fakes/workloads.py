"""Deployments that follow tags, as a small cluster holds them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from tagstream.api.wire.json_types import JsonObject

UNSET = " "
"""What a container names before a tag gave it an image."""

_PATH = re.compile(r"spec\.template\.spec\.containers\[([0-9]+)]\.image")


def deployment(namespace: str, name: str, fields: Mapping[str, tuple[str, str]]) -> JsonObject:
    """`fields`: from the path of a container's image to the namespace of a tag and the tag, written
    `stream:tag`."""
    triggers = [
        {
            "from": {"kind": "ImageStreamTag", "namespace": source, "name": tag},
            "fieldPath": path,
        }
        for path, (source, tag) in sorted(fields.items())
    ]
    last = max(_place(path) for path in fields)
    containers = [{"name": f"c{number}", "image": UNSET} for number in range(last + 1)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "generation": 1,
            "annotations": {"image.openshift.io/triggers": json.dumps(triggers)},
        },
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def image_at(body: JsonObject, path: str) -> str:
    """The image at the path of a container."""
    containers = body["spec"]["template"]["spec"]["containers"]
    return str(containers[_place(path)]["image"])


def _place(path: str) -> int:
    found = _PATH.fullmatch(path)
    assert found is not None, path
    return int(found[1])
