"""What `tagstream samples` says. Pure: from the world to lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tagstream.samples_manager.conditions import ConditionType, Truth
from tagstream.samples_manager.config import State
from tagstream.samples_manager.imports import find_failing_tags, find_importing_tags
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import (
    VERSION,
    JsonObject,
    annotations_of,
    is_managed,
    mapping,
    mappings,
)
from tagstream.samples_manager.reconcile import World
from tagstream.samples_manager.samples import (
    build_stream,
    build_template,
    is_same_stream,
    is_same_template,
)

_BAD = {
    ConditionType.CONFIGURATION_VALID: Truth.FALSE,
    ConditionType.SAMPLES_EXIST: Truth.UNKNOWN,
    ConditionType.IMPORT_IMAGE_ERRORS_EXIST: Truth.TRUE,
}


def describe_samples(world: World) -> list[str]:
    """A heading, what is wrong if anything, and a line for each sample."""
    config, library = world.config, _library(world)
    said = f"{config.spec.state}, library {library.name} {library.version}"
    if config.status.version not in ("", library.version):
        said += f" (installed: {config.status.version})"
    lines = [said, *_problems(world), ""]
    streams = [
        (
            name,
            _stream_state(name, world),
            f"{len(mappings(mapping(stream['spec']).get('tags')))} tags",
        )
        for name, stream in sorted(library.streams.items())
    ]
    templates = [
        (name, _state(name, world.templates, config.spec.skipped_templates, library), "template")
        for name in sorted(library.templates)
    ]
    rows = [*streams, *templates]
    width = max((len(name) for name, _, _ in rows), default=0)
    size = max((len(what) for _, _, what in rows), default=0)
    return lines + [f"{name:<{width}}  {what:<{size}}  {state}" for name, state, what in rows]


def _library(world: World) -> Library:
    assert isinstance(world.library, Library)
    return world.library


def _problems(world: World) -> Iterator[str]:
    status = world.config.status
    for kind, bad in _BAD.items():
        if status.of(kind) is bad:
            condition = status.conditions[kind]
            yield f"! {kind.value} is {bad.value}: {condition.message or condition.reason}"
    if world.config.spec.state is State.REMOVED:
        yield f"! {status.conditions[ConditionType.SAMPLES_EXIST].message or 'nothing installed'}"


def _state(
    name: str, stored: Mapping[str, JsonObject], skipped: tuple[str, ...], library: Library
) -> str:
    if name in skipped:
        return "skipped"
    there = stored.get(name)
    if there is None:
        return "not installed"
    if not is_managed(there):
        return "somebody else's"
    version = annotations_of(there).get(VERSION)
    return "installed" if version == library.version else f"installed, version {version}"


def _stream_state(name: str, world: World) -> str:
    said = _state(name, world.streams, world.config.spec.skipped_streams, _library(world))
    there = world.streams.get(name)
    if there is None or not said.startswith("installed"):
        return said
    failing, importing = find_failing_tags(there), find_importing_tags(there)
    if importing:
        said += f", importing {', '.join(sorted(importing))}"
    if failing:
        said += f", failing: {', '.join(sorted(failing))}"
    return said


def describe_differences(world: World) -> list[str]:
    """A line for each sample that is not as the library and the Config have it; where the Config
    says Removed, each that is still there."""
    spec, library = world.config.spec, _library(world)
    lines: list[str] = []
    if spec.state is State.REMOVED:
        return list(_left_over(world, {}, {}))
    for name, sample in sorted(library.streams.items()):
        there = world.streams.get(name)
        wanted = build_stream(sample, there, registry=spec.registry, version=library.version)
        if name in spec.skipped_streams or (there and is_same_stream(there, wanted)):
            continue
        details = "; ".join(_stream_details(there, wanted)) if there else "missing"
        lines.append(f"imagestream/{name}: {details}")
    for name, sample in sorted(library.templates.items()):
        there = world.templates.get(name)
        wanted = build_template(sample, there, version=library.version)
        if name in spec.skipped_templates or (there and is_same_template(there, wanted)):
            continue
        lines.append(f"template/{name}: {'differs' if there else 'missing'}")
    return lines + list(_left_over(world, library.streams, library.templates))


def _stream_details(there: JsonObject, wanted: JsonObject) -> Iterator[str]:
    old, new = _sources(there), _sources(wanted)
    for tag, source in new.items():
        if tag not in old:
            yield f"tag {tag} is missing"
        elif old[tag] != source:
            yield f"tag {tag} follows {old[tag] or 'nothing'}, not {source}"
    if old == new:
        yield "labels, annotations or policies differ"


def _sources(stream: JsonObject) -> dict[str, str]:
    tags = mappings(mapping(stream.get("spec")).get("tags"))
    return {str(tag.get("name")): str(mapping(tag.get("from")).get("name", "")) for tag in tags}


def _left_over(
    world: World, streams: Mapping[str, JsonObject], templates: Mapping[str, JsonObject]
) -> Iterator[str]:
    why = "is to be removed" if world.config.spec.state is State.REMOVED else "not in the library"
    for kind, stored, wanted in (
        ("imagestream", world.streams, streams),
        ("template", world.templates, templates),
    ):
        for name, one in sorted(stored.items()):
            if is_managed(one) and name not in wanted:
                yield f"{kind}/{name}: is managed, but {why}"
