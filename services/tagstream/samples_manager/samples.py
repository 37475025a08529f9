"""One sample as it should be in the cluster, given the library's and what is there. Pure.

Owns spec/samples-and-templates.md §7.2 (what an upsert keeps) and §8 (other registries).
"""

from __future__ import annotations

from tagstream.samples_manager.objects import (
    MANAGED,
    SAMPLES_NAMESPACE,
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

# Written by the server when it has looked at dockerImageRepository; never a sample's own.
_SERVER_ANNOTATIONS = ("openshift.io/image.dockerRepositoryCheck",)
_TEMPLATE_FIELDS = ("message", "objects", "parameters", "labels")


def rewrite_registry(reference: str, registry: str) -> str:
    """The pull spec with its host replaced, as the spec's table has it (§8)."""
    if not registry or reference.startswith(registry):
        return reference
    if reference.count("/") == 2:
        return f"{registry}/{reference.partition('/')[2]}"
    return f"{registry}/{reference}"


def build_stream(
    sample: JsonObject, stored: JsonObject | None, *, registry: str, version: str
) -> JsonObject:
    """The stream to write. Tags that only the cluster has are kept, its labels are not."""
    spec = dict(mapping(sample.get("spec")))
    if spec.get("dockerImageRepository"):
        spec["dockerImageRepository"] = rewrite_registry(spec["dockerImageRepository"], registry)
    there = {
        tag.get("name"): tag for tag in mappings(mapping((stored or {}).get("spec")).get("tags"))
    }
    tags = [
        _with_generation(_rewrite_tag(tag, registry), there.get(tag.get("name")))
        for tag in mappings(spec.get("tags"))
    ]
    wanted = {tag["name"] for tag in tags}
    tags += [tag for name, tag in there.items() if name not in wanted]
    body = _with_metadata(sample, stored, version)
    return {**body, "spec": {**spec, "tags": tags}}


def build_template(sample: JsonObject, stored: JsonObject | None, *, version: str) -> JsonObject:
    """The template to write: the library's, whole."""
    return {
        **{key: sample[key] for key in _TEMPLATE_FIELDS if key in sample},
        **_with_metadata(sample, stored, version),
    }


def is_same_stream(one: JsonObject, other: JsonObject) -> bool:
    """Whether writing one over the other would change nothing that we care about."""
    return _stream_content(one) == _stream_content(other)


def is_same_template(one: JsonObject, other: JsonObject) -> bool:
    """The same of templates."""
    return _template_content(one) == _template_content(other)


def _rewrite_tag(tag: JsonObject, registry: str) -> JsonObject:
    source = mapping(tag.get("from"))
    if source.get("kind") != "DockerImage":
        return dict(tag)
    return {**tag, "from": {**source, "name": rewrite_registry(text(source.get("name")), registry)}}


def _with_generation(tag: JsonObject, stored: JsonObject | None) -> JsonObject:
    # Without it an unchanged tag would be imported again.
    if stored is None or _tag_content(tag) != _tag_content(stored) or "generation" not in stored:
        return tag
    return {**tag, "generation": stored["generation"]}


def _with_metadata(sample: JsonObject, stored: JsonObject | None, version: str) -> JsonObject:
    metadata: JsonObject = {
        "name": name_of(sample),
        "namespace": SAMPLES_NAMESPACE,
        "labels": {**labels_of(sample), MANAGED: "true"},
        "annotations": {**annotations_of(sample), VERSION: version},
    }
    if stored is not None:
        kept = annotations_of(stored)
        metadata["annotations"] |= {key: kept[key] for key in _SERVER_ANNOTATIONS if key in kept}
        metadata["resourceVersion"] = metadata_of(stored).get("resourceVersion", "")
    return {"apiVersion": sample["apiVersion"], "kind": sample["kind"], "metadata": metadata}


def _stream_content(stream: JsonObject) -> object:
    spec = mapping(stream.get("spec"))
    tags = {tag.get("name"): _tag_content(tag) for tag in mappings(spec.get("tags"))}
    local = bool(mapping(spec.get("lookupPolicy")).get("local"))
    return (
        labels_of(stream),
        annotations_of(stream),
        text(spec.get("dockerImageRepository")),
        local,
        tags,
    )


def _tag_content(tag: JsonObject) -> object:
    """What makes two tags the same once the server has filled in its defaults."""
    source, policy = mapping(tag.get("from")), mapping(tag.get("importPolicy"))
    return (
        tuple(text(source.get(key)) for key in ("kind", "name", "namespace")),
        mapping(tag.get("annotations")),
        bool(tag.get("reference")),
        (bool(policy.get("insecure")), bool(policy.get("scheduled"))),
        policy.get("importMode") or "Legacy",
        mapping(tag.get("referencePolicy")).get("type") or "Source",
    )


def _template_content(template: JsonObject) -> object:
    fields = [template.get(key) or None for key in _TEMPLATE_FIELDS]
    return labels_of(template), annotations_of(template), fields
