"""The `scale` subresource of workloads: their replicas as an autoscaling/v1 Scale."""

from __future__ import annotations

from collections.abc import Callable

from tagstream.api.engine.kinds import Subresource
from tagstream.api.engine.rules import View
from tagstream.api.kinds.cells import labels_cell, selector_cell
from tagstream.api.wire.json_types import JsonObject

SCALE = Subresource("scale", "Scale", ("get", "patch", "update"), group="autoscaling", version="v1")
_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def build_scale_view(selector: Callable[[JsonObject], str]) -> View:
    """The view of a kind whose selector, in one line, `selector` gives."""

    def show(item: JsonObject) -> JsonObject:
        spec, status = item["spec"], item.get("status") or {}
        return {
            "kind": SCALE.kind,
            "apiVersion": "autoscaling/v1",
            "metadata": {key: item["metadata"][key] for key in _KEPT if key in item["metadata"]},
            "spec": {"replicas": spec.get("replicas", 0)},
            "status": {"replicas": status.get("replicas", 0), "selector": selector(item)},
        }

    return View(show, _merge)


def _merge(item: JsonObject, wanted: JsonObject) -> JsonObject:
    version = wanted["metadata"].get("resourceVersion", "")
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    return {
        **item,
        "metadata": {**item["metadata"], "resourceVersion": version},
        "spec": {**item["spec"], "replicas": replicas},
    }


def label_selector(item: JsonObject) -> str:
    """Of the workloads of apps/v1."""
    return selector_cell(item["spec"].get("selector"))


def plain_selector(item: JsonObject) -> str:
    """Of replication controllers."""
    return labels_cell(item["spec"].get("selector"))
