"""Which tags a workload follows, and what has to change when they resolve. Pure.

Owns the decisions of spec/triggers-lookup-pruning.md A5, A7, A8 and the improvements of A9. Images
are given, not looked up; patches are built, not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tagstream.errors import InvalidInput
from tagstream.kube.patches import ContainerImageChange, PatchOperation, build_image_patch
from tagstream.trigger_dispatcher.annotation import TRIGGERS_ANNOTATION, Trigger, parse_triggers
from tagstream.trigger_dispatcher.field_path import names_base, no_such_container, parse_field_path
from tagstream.trigger_dispatcher.targets import (
    Container,
    find_container,
    list_containers,
    target_of,
)

_MAX_NAME_CHARS = 253


@dataclass(frozen=True, slots=True, order=True)
class WorkloadKey:
    """One workload in one cluster."""

    cluster: str
    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class StreamTag:
    """One tag of one stream."""

    namespace: str
    stream: str
    tag: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.stream}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Workload:
    """What a reaction needs to know of a workload; `annotation` is None when it has none.

    `generation` counts the changes of its spec; 0 where the cluster does not count.
    """

    key: WorkloadKey
    uid: str
    resource_version: str
    annotation: str | None
    containers: tuple[Container, ...]
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Following:
    """One trigger that names a tag, paused or not; `container` is None if the path finds none."""

    trigger: Trigger
    source: StreamTag
    container: Container | None


class FailureReason(Enum):
    """Why no patch can be made from this annotation."""

    INVALID_ANNOTATION = "InvalidAnnotation"
    INVALID_FIELD_PATH = "InvalidFieldPath"


@dataclass(frozen=True, slots=True)
class Failure:
    """The whole workload is left alone; a person must repair its annotation.

    `source` and `field_path` are the trigger's that is wrong, absent when it is the whole text.
    """

    reason: FailureReason
    message: str
    source: StreamTag | None = None
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One container's new image and the tag and path that asked for it."""

    source: StreamTag
    field_path: str
    image: ContainerImageChange


@dataclass(frozen=True, slots=True)
class Reaction:
    """The images to set, and the one patch that sets them all if nothing has moved meanwhile."""

    changes: tuple[Change, ...]
    patch: tuple[PatchOperation, ...]


def parse_workload(cluster: str, body: Mapping[str, object]) -> Workload:
    """Read a workload as the server sent it. Raises InvalidInput for a kind that cannot follow."""
    metadata = body.get("metadata")
    meta: Mapping[str, object] = metadata if isinstance(metadata, Mapping) else {}
    annotations = meta.get("annotations")
    text = annotations.get(TRIGGERS_ANNOTATION) if isinstance(annotations, Mapping) else None
    api_version, kind = _text(body, "apiVersion"), _text(body, "kind")
    generation = meta.get("generation")
    return Workload(
        key=WorkloadKey(cluster, api_version, kind, _text(meta, "namespace"), _text(meta, "name")),
        uid=_text(meta, "uid"),
        resource_version=_text(meta, "resourceVersion"),
        annotation=text if isinstance(text, str) else None,
        containers=list_containers(body, target_of(api_version, kind)),
        generation=generation if isinstance(generation, int) else 0,
    )


def source_of(trigger: Trigger, namespace: str) -> StreamTag | None:
    """The tag a trigger of a workload in `namespace` follows (A2, A6.1, A9.4).

    None when it can never resolve: another kind, an apiVersion, no colon, or an impossible name.
    """
    stream, colon, tag = trigger.from_name.partition(":")
    if trigger.from_kind != "ImageStreamTag" or trigger.from_api_version or not colon or not stream:
        return None
    source = StreamTag(trigger.from_namespace or namespace, stream, tag or "latest")
    names = (source.namespace, source.stream, source.tag)
    possible = all(name.isascii() and len(name) <= _MAX_NAME_CHARS for name in names)
    return source if possible else None


def list_followings(workload: Workload) -> tuple[Following, ...]:
    """The workload's triggers that name a tag and lie below its pod spec, in annotation order.

    Raises InvalidInput when the annotation cannot be decoded.
    """
    if workload.annotation is None:
        return ()
    base = target_of(workload.key.api_version, workload.key.kind).base
    return tuple(
        Following(trigger, source, _container_or_none(workload, trigger.field_path, base))
        for trigger in parse_triggers(workload.annotation)
        if (source := source_of(trigger, workload.key.namespace)) is not None
        and names_base(trigger.field_path, base)
    )


def list_followings_or_none(workload: Workload) -> tuple[Following, ...]:
    """The same; an annotation that cannot be decoded follows nothing."""
    try:
        return list_followings(workload)
    except InvalidInput:
        return ()


def decide_reaction(
    workload: Workload, resolved: Mapping[StreamTag, str]
) -> Reaction | Failure | None:
    """What to patch so that the workload has its tags' images; None when it has them (A5).

    `resolved` holds the pull spec of every tag that resolves. Triggers count in annotation order,
    the last one on a container wins, and only the outcome is compared with the object (A9.5).
    """
    try:
        followings = list_followings(workload)
    except InvalidInput as error:
        return Failure(FailureReason.INVALID_ANNOTATION, error.reason)
    wanted: dict[Container, tuple[Following, str]] = {}
    for following in followings:
        image = resolved.get(following.source)
        if following.trigger.paused or image is None:
            continue
        if following.container is None:
            return _bad_path(workload, following)
        wanted[following.container] = (following, image)
    changes = tuple(
        _change(container, following, image)
        for container, (following, image) in wanted.items()
        if container.image != image
    )
    return _reaction(workload, changes) if changes else None


def needs_reaction(old: Workload | None, new: Workload) -> bool:
    """Whether a change of the workload itself calls for a look at its tags (A8).

    An old annotation that could not be decoded counts as none, so a repair acts at once (A9.2).
    """
    after = list_followings_or_none(new)
    if not after:
        return False
    if old is None or _triggers_or_none(old) != _triggers_or_none(new):
        return True
    return _images(list_followings_or_none(old)) != _images(after)


def _images(followings: tuple[Following, ...]) -> list[Container | None]:
    return [f.container for f in followings if not f.trigger.paused]


def _triggers_or_none(workload: Workload) -> tuple[Trigger, ...] | None:
    if workload.annotation is None:
        return None
    try:
        return parse_triggers(workload.annotation)
    except InvalidInput:
        return None


def _container_or_none(workload: Workload, path: str, base: str) -> Container | None:
    try:
        return find_container(workload.containers, parse_field_path(path, base), path)
    except InvalidInput:
        return None


def _bad_path(workload: Workload, following: Following) -> Failure:
    path = following.trigger.field_path
    base = target_of(workload.key.api_version, workload.key.kind).base
    try:
        message = no_such_container(path).reason
        parse_field_path(path, base)
    except InvalidInput as error:
        message = error.reason
    return Failure(FailureReason.INVALID_FIELD_PATH, message, following.source, path)


def _change(container: Container, following: Following, image: str) -> Change:
    return Change(
        following.source,
        following.trigger.field_path,
        ContainerImageChange(
            container.list_name, container.index, container.name, container.image, image
        ),
    )


def _reaction(workload: Workload, changes: tuple[Change, ...]) -> Reaction:
    patch = build_image_patch(
        target_of(workload.key.api_version, workload.key.kind).pod_spec,
        [change.image for change in changes],
        (TRIGGERS_ANNOTATION, workload.annotation or ""),
        generation=workload.generation,
    )
    return Reaction(changes, patch)


def _text(mapping: Mapping[str, object], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
