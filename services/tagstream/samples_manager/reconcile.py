"""What to do next: the Config, the library and the cluster in, actions and a status out. Pure.

Owns spec/samples-and-templates.md §6, §7 and §9. A look decides one step; steps that must be
remembered before the next one say `again`. What one sample should be like is `samples.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tagstream.samples_manager.actions import Action, Reason, Target, Verb
from tagstream.samples_manager.conditions import ConditionType, Truth
from tagstream.samples_manager.config import ARCHITECTURES, Config, LibrarySeen, State, Status
from tagstream.samples_manager.imports import (
    build_tag_map,
    decide_import_errors,
    is_error_map,
    is_same_config_map,
)
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import (
    FINALIZER,
    OWN_NAMESPACE,
    RETRIED_AT,
    TAG_MAP,
    VERSION,
    JsonObject,
    annotations_of,
    is_managed,
    text,
)
from tagstream.samples_manager.registries import find_blocked, find_registry_problem
from tagstream.samples_manager.upserts import decide_samples

CATCH_ALL = "GlobalImageStreamConfigRegistryMismatch"
FILE_ERROR = "FileSystemError"
_HOW_TO_MANAGE = (
    "no samples are installed; to have them: kubectl patch configs.samples.operator.openshift.io "
    'cluster --type=merge -p \'{"spec":{"managementState":"Managed"}}\''
)
# A library this much smaller than the last one is taken for a mistake.
_SHRUNK_TO = 0.1


@dataclass(frozen=True, slots=True)
class World:
    """Everything a decision depends on. `library` is a text where it cannot be used: why.

    Streams and templates are those of namespace openshift, config maps those of our own.
    `image_config` is the cluster's Image, empty where there is none, a text where it cannot be
    read: why.
    """

    config: Config
    library: Library | str
    streams: Mapping[str, JsonObject]
    templates: Mapping[str, JsonObject]
    config_maps: Mapping[str, JsonObject]
    now: datetime
    image_config: JsonObject | str = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and the status once all of it is done. `retries` are imports to ask for.

    `finalizers` None leaves them alone. `again` asks for another look as soon as this is stored.
    `asked_at` is when a failing import was last asked for again, empty when none fails.
    """

    status: Status
    actions: tuple[Action, ...] = ()
    retries: tuple[JsonObject, ...] = ()
    finalizers: tuple[str, ...] | None = None
    again: bool = False
    asked_at: str = ""


def decide(world: World) -> Plan:
    """The next step; a plan without actions and with the status there is means all is well."""
    config = world.config
    if config.is_deleted:
        return _decide_deleted(world)
    if FINALIZER not in config.finalizers:
        return Plan(config.status, finalizers=(*config.finalizers, FINALIZER), again=True)
    match config.spec.state:
        case State.UNMANAGED:
            return _decide_unmanaged(world)
        case State.REMOVED:
            return _decide_removed(world)
    return _decide_managed(world)


def decide_failure(status: Status, reason: str, message: str, now: datetime) -> Status:
    """The status after an error stopped a pass; nothing is known any more (§3)."""
    for kind in (ConditionType.SAMPLES_EXIST, ConditionType.IMAGE_CHANGES_IN_PROGRESS):
        if kind is ConditionType.SAMPLES_EXIST or status.of(kind) is not Truth.FALSE:
            status = status.with_condition(kind, Truth.UNKNOWN, now, reason, message)
    return status


def _decide_deleted(world: World) -> Plan:
    config, now = world.config, world.now
    if FINALIZER not in config.finalizers:
        return Plan(config.status)
    actions = tuple(_removals(world, Reason.CONFIG_DELETED))
    gone = config.status.with_condition(ConditionType.SAMPLES_EXIST, Truth.FALSE, now)
    if actions:
        return Plan(gone, actions, again=True)
    left = tuple(name for name in config.finalizers if name != FINALIZER)
    return Plan(gone, finalizers=left, again=True)


def _decide_unmanaged(world: World) -> Plan:
    status = world.config.status.with_condition(
        ConditionType.REMOVE_PENDING, Truth.FALSE, world.now
    )
    return Plan(replace(status, state=State.UNMANAGED.value, version=_version(world)))


def _version(world: World) -> str:
    library = world.library
    return library.version if isinstance(library, Library) else world.config.status.version


def _decide_removed(world: World) -> Plan:
    status, now = world.config.status, world.now
    pending = status.of(ConditionType.REMOVE_PENDING) is Truth.TRUE
    if status.state != State.REMOVED and not pending:
        started = status.with_condition(ConditionType.REMOVE_PENDING, Truth.TRUE, now)
        return Plan(started, again=True)
    actions = tuple(_tag_map(world))
    if pending and status.state != State.REMOVED:
        actions = (*actions, *_removals(world, Reason.REMOVED))
    status = status.with_condition(
        ConditionType.SAMPLES_EXIST, Truth.FALSE, now, "Removed", _HOW_TO_MANAGE
    )
    for kind in (
        ConditionType.IMAGE_CHANGES_IN_PROGRESS,
        ConditionType.IMPORT_IMAGE_ERRORS_EXIST,
    ):
        status = status.with_condition(kind, Truth.FALSE, now)
    is_done = world.config.status.state == State.REMOVED
    if is_done:
        status = status.with_condition(ConditionType.REMOVE_PENDING, Truth.FALSE, now)
    status = replace(
        status, state=State.REMOVED.value, version=_version(world), architectures=(), library=None
    )
    return Plan(_validity(status, world, ""), actions, again=not is_done)


def _removals(world: World, reason: Reason) -> Iterator[Action]:
    for target, found in ((Target.STREAM, world.streams), (Target.TEMPLATE, world.templates)):
        for name, stored in found.items():
            if is_managed(stored):
                yield Action(Verb.DELETE, target, name, reason, stored)
    for name, stored in world.config_maps.items():
        if is_error_map(stored):
            yield Action(Verb.DELETE, Target.CONFIG_MAP, name, reason, stored)


def _decide_managed(world: World) -> Plan:
    status = _check_config(world)
    if status.of(ConditionType.CONFIGURATION_VALID) is not Truth.TRUE:
        return Plan(status)
    library = world.library
    refused = library if isinstance(library, str) else _find_shrinking(status, library)
    if refused or isinstance(library, str):
        message = f"{refused}. The installed samples stay as they are"
        return Plan(decide_failure(status, FILE_ERROR, message, world.now))
    reason = decide_full_pass(world.config, library)
    if reason is not None and not _is_announced(status, reason):
        return Plan(_announce(status, reason, world.now), again=True)
    return _decide_upserts(world, library, status, reason)


def _check_config(world: World) -> Status:
    status, image_config = world.config.status, world.image_config
    if isinstance(image_config, str):
        kind, said = ConditionType.CONFIGURATION_VALID, "the global image configuration "
        said += f"(images.config.openshift.io/cluster) cannot be read: {image_config}"
        return status.with_condition(kind, Truth.UNKNOWN, world.now, CATCH_ALL, said)
    library = world.library if isinstance(world.library, Library) else None
    problem = find_invalid(world.config)
    blocked = find_blocked(world.config.spec.registry, library, image_config)
    if blocked and not problem:
        problem = (
            "global openshift image configuration prevents the creation of imagestreams using the "
            f"registry {blocked}"
        )
    return _validity(status, world, problem)


def find_invalid(config: Config) -> str:
    """Why the spec cannot be acted upon; empty when it can (§6)."""
    spec, status = config.spec, config.status
    for one in spec.architectures:
        if one not in ARCHITECTURES:
            return f"architecture {one} unsupported; only support {','.join(ARCHITECTURES)}"
    installed = (
        status.of(ConditionType.SAMPLES_EXIST) is Truth.TRUE
        or status.of(ConditionType.IMAGE_CHANGES_IN_PROGRESS) is Truth.TRUE
    )
    if installed and status.architectures and spec.architectures != status.architectures:
        was, wished = (",".join(each) for each in (status.architectures, spec.architectures))
        return f"cannot change architectures from [{was}] to [{wished}]"
    return find_registry_problem(spec.registry)


def _validity(status: Status, world: World, problem: str) -> Status:
    kind, unexpected = ConditionType.CONFIGURATION_VALID, world.config.spec.unexpected
    if problem:
        return status.with_condition(kind, Truth.FALSE, world.now, CATCH_ALL, problem)
    said = f"Unexpected management state {unexpected} received, switching to Managed"
    return status.with_condition(kind, Truth.TRUE, world.now, "", said if unexpected else "")


def _find_shrinking(status: Status, library: Library) -> str:
    seen = status.library
    if seen is None or library.may_shrink or library.size > seen.samples * _SHRUNK_TO:
        return ""
    return (
        f"library {library.name} {library.version} has only {library.size} of the {seen.samples} "
        f"samples that {seen.name} {status.version} had, which looks like a mistake; if it is "
        "meant, set allowShrink: true in its manifest"
    )


def decide_full_pass(config: Config, library: Library) -> Reason | None:
    """Why every sample is to be looked at and put right; None in the steady state (§7.1)."""
    status = config.status
    progress = status.conditions[ConditionType.IMAGE_CHANGES_IN_PROGRESS]
    if status.of(ConditionType.SAMPLES_EXIST) is not Truth.TRUE:
        return Reason.NOT_INSTALLED
    if status.state != State.MANAGED:
        return Reason.BECAME_MANAGED
    if status.version != library.version or status.architectures != config.spec.architectures:
        return Reason.NEW_VERSION
    if progress.status is not Truth.FALSE:
        # Begun, and not ended by whoever held the lease before us.
        known = progress.reason in list(Reason)
        return Reason(progress.reason) if known else Reason.INTERRUPTED
    return Reason.OTHER_REGISTRY if status.registry != config.spec.registry else None


def _is_announced(status: Status, reason: Reason) -> bool:
    progress = status.conditions[ConditionType.IMAGE_CHANGES_IN_PROGRESS]
    return progress.status is Truth.TRUE and progress.reason == reason


def _announce(status: Status, reason: Reason, now: datetime) -> Status:
    kind = ConditionType.IMAGE_CHANGES_IN_PROGRESS
    status = status.with_condition(kind, Truth.TRUE, now, reason.value)
    status = status.with_condition(ConditionType.REMOVE_PENDING, Truth.FALSE, now)
    return replace(status, state=State.MANAGED.value)


def _decide_upserts(world: World, library: Library, status: Status, reason: Reason | None) -> Plan:
    spec, now = world.config.spec, world.now
    samples = decide_samples(library, spec, world.streams, world.templates, reason)
    errors, retries, failing = _decide_errors(world, library)
    asked_at = max((_asked_at(one) for one in failing.values()), default="")
    status = replace(
        status,
        skipped_streams=spec.skipped_streams,
        skipped_templates=spec.skipped_templates,
    )
    if reason is not None:
        status = status.with_condition(ConditionType.SAMPLES_EXIST, Truth.TRUE, now)
        kind = ConditionType.IMAGE_CHANGES_IN_PROGRESS
        status = replace(
            status.with_condition(kind, Truth.FALSE, now),
            registry=spec.registry,
            architectures=spec.architectures,
            version=library.version,
            library=LibrarySeen(library.name, library.size),
        )
    status = _with_import_errors(status, sorted(failing), now)
    actions = (*_tag_map(world), *samples, *errors)
    return Plan(status, actions, tuple(retries), asked_at=asked_at)


def _asked_at(config_map: JsonObject) -> str:
    return text(annotations_of(config_map).get(RETRIED_AT))


def _decide_errors(
    world: World, library: Library
) -> tuple[list[Action], list[JsonObject], dict[str, JsonObject]]:
    """Actions on error ConfigMaps, imports to ask for, and what is told of each failing stream."""
    wanted: dict[str, JsonObject] = {}
    retries: list[JsonObject] = []
    for name in sorted(library.streams.keys() - set(world.config.spec.skipped_streams)):
        if name not in world.streams:
            continue
        found = decide_import_errors(world.streams[name], world.config_maps.get(name), world.now)
        if found.config_map is not None:
            wanted[name] = found.config_map
        if found.retry is not None:
            retries.append(found.retry)
    actions = [
        Action(Verb.DELETE, Target.CONFIG_MAP, name, Reason.IMPORTS_RECOVERED, stored)
        for name, stored in world.config_maps.items()
        if is_error_map(stored) and name not in wanted
    ]
    for name, body in wanted.items():
        actions += _put_config_map(world, name, body, Reason.IMPORTS_FAIL)
    return actions, retries, wanted


def _with_import_errors(status: Status, failing: list[str], now: datetime) -> Status:
    kind = ConditionType.IMPORT_IMAGE_ERRORS_EXIST
    if not failing:
        return status.with_condition(kind, Truth.FALSE, now)
    message = (
        f"Imports of {', '.join(failing)} fail and are tried again about every 15 minutes; what "
        f"went wrong with each tag is in the ConfigMaps of these names in namespace {OWN_NAMESPACE}"
    )
    return status.with_condition(kind, Truth.TRUE, now, " ".join(failing), message)


def _tag_map(world: World) -> Iterator[Action]:
    library = world.library
    if isinstance(library, str):
        return
    known = world.config_maps.get(TAG_MAP)
    if known is None or annotations_of(known).get(VERSION) != library.version:
        body = build_tag_map(library.streams, library.version)
        yield from _put_config_map(world, TAG_MAP, body, Reason.TAG_MAP)


def _put_config_map(world: World, name: str, body: JsonObject, reason: Reason) -> Iterator[Action]:
    known = world.config_maps.get(name)
    if known is None:
        yield Action(Verb.CREATE, Target.CONFIG_MAP, name, reason, body)
    elif not is_same_config_map(known, body):
        version = known.get("metadata", {}).get("resourceVersion", "")
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        yield Action(Verb.REPLACE, Target.CONFIG_MAP, name, reason, body)
