"""The cluster as the samples-manager uses it: one look at everything, and one write an action.

Owns the requests and the classing of refusals. What to do is `reconcile.py`.
"""

from __future__ import annotations

from datetime import datetime

from tagstream.errors import Conflict, InvalidInput, NotFound, TagstreamError, Upstream
from tagstream.kube.client import KubeClient
from tagstream.kube.resources import ResourceType
from tagstream.samples_manager.actions import Action, Target, Verb
from tagstream.samples_manager.config import Config, Status, parse_config, print_status
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import (
    CONFIG_NAME,
    MANAGED,
    OWN_NAMESPACE,
    SAMPLES_NAMESPACE,
    JsonObject,
    metadata_of,
    name_of,
    text,
)
from tagstream.samples_manager.reconcile import CATCH_ALL, World

CONFIGS = ResourceType("samples.operator.openshift.io/v1", "Config", "configs", namespaced=False)
STREAMS = ResourceType("image.openshift.io/v1", "ImageStream", "imagestreams")
IMPORTS = ResourceType("image.openshift.io/v1", "ImageStreamImport", "imagestreamimports")
TEMPLATES = ResourceType("template.openshift.io/v1", "Template", "templates")
CONFIG_MAPS = ResourceType("v1", "ConfigMap", "configmaps")
IMAGE_CONFIGS = ResourceType("config.openshift.io/v1", "Image", "images", namespaced=False)

#: What is looked at, and where.
FOLLOWED: tuple[tuple[ResourceType, str | None], ...] = (
    (CONFIGS, None),
    (IMAGE_CONFIGS, None),
    (STREAMS, SAMPLES_NAMESPACE),
    (TEMPLATES, SAMPLES_NAMESPACE),
    (CONFIG_MAPS, OWN_NAMESPACE),
)
_PLACES = {
    Target.STREAM: (STREAMS, SAMPLES_NAMESPACE),
    Target.TEMPLATE: (TEMPLATES, SAMPLES_NAMESPACE),
    Target.CONFIG_MAP: (CONFIG_MAPS, OWN_NAMESPACE),
}
_REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed"}


async def load_config(kube: KubeClient, now: datetime) -> Config | None:
    """The Config `cluster`; None when there is none."""
    try:
        return parse_config(await kube.get(CONFIGS, None, CONFIG_NAME), now)
    except NotFound:
        return None


async def load_world(
    kube: KubeClient, config: Config, library: Library | str, now: datetime
) -> World:
    """Everything there is now."""
    return World(
        config,
        library,
        await _load_all(kube, STREAMS, SAMPLES_NAMESPACE),
        await _load_all(kube, TEMPLATES, SAMPLES_NAMESPACE),
        await _load_all(kube, CONFIG_MAPS, OWN_NAMESPACE),
        now,
        await _load_image_config(kube),
    )


async def _load_all(
    kube: KubeClient, resource: ResourceType, namespace: str
) -> dict[str, JsonObject]:
    found = await kube.list(resource, namespace)
    return {name_of(item): item for item in found.items}


async def _load_image_config(kube: KubeClient) -> JsonObject | str:
    """Empty where there is none, or no such kind; a text when it may not be read."""
    try:
        return await kube.get(IMAGE_CONFIGS, None, CONFIG_NAME)
    except NotFound:
        return {}
    except Upstream as error:
        if error.transient:
            raise
        return str(error)


async def perform(kube: KubeClient, action: Action) -> None:
    """Do it. What is gone already is as good as deleted; raises Conflict for a lost race."""
    resource, namespace = _PLACES[action.target]
    match action.verb:
        case Verb.CREATE:
            try:
                await kube.create(resource, namespace, action.body)
            except NotFound as error:
                raise Upstream(
                    f"{action.target} {action.name} cannot be created: namespace {namespace} does "
                    f"not exist; kubectl create namespace {namespace}",
                    code=404,
                ) from error
        case Verb.REPLACE:
            await kube.update(resource, namespace, action.name, action.body)
        case Verb.UNMARK:
            version = text(metadata_of(action.body).get("resourceVersion"))
            metadata = {"labels": {MANAGED: "false"}, "resourceVersion": version}
            await kube.patch(resource, namespace, action.name, {"metadata": metadata})
        case Verb.DELETE:
            uid = text(metadata_of(action.body).get("uid"))
            try:
                await kube.delete(resource, namespace, action.name, uid=uid)
            except NotFound:
                return


async def save_status(kube: KubeClient, config: Config, status: Status) -> None:
    """Store it over the Config that it was decided from. Raises Conflict."""
    body = {**config.body, "status": print_status(status)}
    await kube.update(CONFIGS, None, CONFIG_NAME, body, subresource="status")


async def save_finalizers(kube: KubeClient, finalizers: tuple[str, ...]) -> None:
    """Replace the Config's finalizers; with the last one a deleted Config goes."""
    patch = {"metadata": {"finalizers": list(finalizers)}}
    await kube.patch(CONFIGS, None, CONFIG_NAME, patch)


def is_passing(error: TagstreamError) -> bool:
    """Whether the next look may find it gone: a lost race, or a server that is away."""
    if isinstance(error, Upstream):
        return error.transient
    return isinstance(error, Conflict | NotFound)


def reason_of(error: TagstreamError) -> str:
    """The condition's reason for an error that a person has to look at (§3)."""
    if isinstance(error, InvalidInput):
        return "APIServerInvalidError"
    if isinstance(error, Upstream) and error.code in _REASONS:
        return f"APIServer{_REASONS[error.code]}Error"
    return CATCH_ALL
