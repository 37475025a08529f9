"""What became of the imports of the sample streams, and when to try again. Pure.

Owns spec/samples-and-templates.md §10 and §11: failing tags, the error ConfigMaps, the retry
request, and the ConfigMap of tags and images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tagstream.samples_manager.conditions import format_time, parse_time
from tagstream.samples_manager.objects import (
    IMPORT_ERROR,
    OWN_NAMESPACE,
    RETRIED_AT,
    SAMPLES_NAMESPACE,
    TAG_MAP,
    VERSION,
    JsonObject,
    annotations_of,
    labels_of,
    mapping,
    mappings,
    metadata_of,
    name_of,
    text,
)

RETRY_AFTER = timedelta(minutes=10)
_NOT_IN_THE_MAP = "jenkins"


def find_failing_tags(stream: JsonObject) -> dict[str, str]:
    """Message by tag, for tags whose newest known generation failed to import."""
    failing = {}
    for history in mappings(mapping(stream.get("status")).get("tags")):
        conditions = mappings(history.get("conditions"))
        failed = [
            one
            for one in conditions
            if one.get("type") == "ImportSuccess" and one.get("status") == "False"
        ]
        newest_failed = _newest(failed)
        if newest_failed and newest_failed >= _newest(
            [*conditions, *mappings(history.get("items"))]
        ):
            said = max(failed, key=_generation)
            failing[text(history.get("tag"))] = text(said.get("message")) or "import failed"
    return failing


def find_importing_tags(stream: JsonObject) -> list[str]:
    """Tags that follow an image and that nothing is known of since they were last changed."""
    known = {
        text(history.get("tag")): _newest(
            [*mappings(history.get("conditions")), *mappings(history.get("items"))]
        )
        for history in mappings(mapping(stream.get("status")).get("tags"))
    }
    return [
        tag["name"]
        for tag in mappings(mapping(stream.get("spec")).get("tags"))
        if mapping(tag.get("from")).get("kind") == "DockerImage"
        and not tag.get("reference")
        and known.get(tag["name"], 0) < max(_generation(tag), 1)
    ]


def _newest(entries: Iterable[JsonObject]) -> int:
    return max((_generation(one) for one in entries), default=0)


def _generation(entry: JsonObject) -> int:
    value = entry.get("generation")
    return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class ImportErrors:
    """What is wrong with one stream: the ConfigMap that says so, and the import to ask for now.

    `config_map` is None when all is well, `retry` when nothing is to be asked.
    """

    config_map: JsonObject | None
    retry: JsonObject | None = None


def decide_import_errors(
    stream: JsonObject, known: JsonObject | None, now: datetime
) -> ImportErrors:
    """Retries come at once and then every ten minutes, for all failing tags of the stream."""
    failing = find_failing_tags(stream)
    if not failing:
        return ImportErrors(None)
    retried_at = parse_time(annotations_of(known or {}).get(RETRIED_AT))
    is_due = retried_at is None or now - retried_at > RETRY_AFTER
    at = now if retried_at is None or is_due else retried_at
    config_map: JsonObject = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(stream),
            "namespace": OWN_NAMESPACE,
            "labels": {IMPORT_ERROR: "true"},
            "annotations": {RETRIED_AT: format_time(at)},
        },
        "data": failing,
    }
    return ImportErrors(config_map, build_retry(stream, failing) if is_due else None)


def build_retry(stream: JsonObject, tags: Iterable[str]) -> JsonObject | None:
    """The ImageStreamImport for these tags; None when none of them leads to an image."""
    declared = {
        text(tag.get("name")): tag for tag in mappings(mapping(stream.get("spec")).get("tags"))
    }
    images = []
    for tag in tags:
        source = follow_aliases(declared, tag, name_of(stream))
        if source is None:
            continue
        policy = mapping(declared[tag].get("importPolicy"))
        # Asking for another policy than the tag's would change what its users pull.
        users = mapping(declared[tag].get("referencePolicy")).get("type") or "Local"
        flags = {flag: True for flag in ("insecure", "scheduled") if policy.get(flag)}
        images.append(
            {
                "from": {"kind": "DockerImage", "name": source},
                "to": {"name": tag},
                "importPolicy": flags,
                "referencePolicy": {"type": users},
            }
        )
    if not images:
        return None
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamImport",
        "metadata": {
            "name": name_of(stream),
            "namespace": SAMPLES_NAMESPACE,
            "resourceVersion": text(metadata_of(stream).get("resourceVersion")),
        },
        "spec": {"import": True, "images": images},
    }


def follow_aliases(declared: Mapping[str, JsonObject], tag: str, stream: str) -> str | None:
    """The pull spec that a tag leads to inside its stream; None for a loop or a dead end."""
    seen: set[str] = set()
    while tag in declared and tag not in seen:
        seen.add(tag)
        source = mapping(declared[tag].get("from"))
        name = text(source.get("name"))
        if source.get("kind") == "DockerImage":
            return name or None
        if source.get("kind") != "ImageStreamTag":
            return None
        tag = name.removeprefix(f"{stream}:")
    return None


def is_error_map(config_map: JsonObject) -> bool:
    """Whether a ConfigMap tells of failed imports."""
    return labels_of(config_map).get(IMPORT_ERROR) == "true"


def is_same_config_map(one: JsonObject, other: JsonObject) -> bool:
    """Whether both say the same."""
    return _content(one) == _content(other)


def _content(config_map: JsonObject) -> object:
    data = mapping(config_map.get("data"))
    return labels_of(config_map), annotations_of(config_map), data


def build_tag_map(streams: Mapping[str, JsonObject], version: str) -> JsonObject:
    """The ConfigMap that says which images to mirror: as the library writes them."""
    data = {
        f"{name}_{tag['name']}": text(mapping(tag.get("from")).get("name"))
        for name, stream in streams.items()
        if not name.startswith(_NOT_IN_THE_MAP)
        for tag in mappings(mapping(stream.get("spec")).get("tags"))
        if mapping(tag.get("from")).get("kind") == "DockerImage"
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": TAG_MAP,
            "namespace": OWN_NAMESPACE,
            "annotations": {VERSION: version},
        },
        "data": data,
    }
