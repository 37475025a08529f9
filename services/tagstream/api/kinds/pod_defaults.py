"""What Kubernetes fills into a pod's specification. Pure; works in place.

Image pull policies follow spec/image-api-and-import.md §2.6.
"""

from __future__ import annotations

from typing import Any

from tagstream.api.wire.json_types import JsonObject

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_VOLUME_MODES = ("secret", "configMap", "projected", "downwardAPI")
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def default_template(owner: JsonObject) -> None:
    """The `template` of a workload's spec."""
    template = owner.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: JsonObject) -> None:
    """The specification of a pod or of a pod template."""
    for containers in CONTAINER_LISTS:
        for container in spec.get(containers) or []:
            _default_container(container)
    for volume in spec.get("volumes") or []:
        _default_volume(volume)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _default_container(container: JsonObject) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image") or "")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if container.get(name):
            _default_probe(container[name])


def default_pull_policy(image: str) -> str:
    """Always for `latest`, explicit or because there is neither tag nor digest."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _default_probe(probe: JsonObject) -> None:
    for name, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe.setdefault(name, value)
    get: Any = probe.get("httpGet")
    if get is not None:
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")


def _default_volume(volume: JsonObject) -> None:
    if len(volume) == 1 and "name" in volume:
        volume["emptyDir"] = {}
    for source in _VOLUME_MODES:
        if volume.get(source) is not None:
            volume[source].setdefault("defaultMode", 0o644)
