"""Which registries samples may come from: the Config's own, and what the cluster permits. Pure.

Owns spec/samples-and-templates.md §5, and that a samplesRegistry is a registry at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import JsonObject, mapping, mappings, text, texts

_DEFAULT_REGISTRY = "docker.io"


def find_registry_problem(registry: str) -> str:
    """Why a samplesRegistry cannot stand before the name of an image; empty when it can."""
    if not registry:
        return ""
    try:
        if parse_image_reference(f"{registry}/a/b").registry:
            return ""
    except InvalidReference:
        pass
    return (
        f"samplesRegistry {registry} is no registry; write host or host:port, with a path behind "
        "it if need be, and without https://"
    )


def find_blocked(registry: str, library: Library | None, image_config: JsonObject) -> str:
    """The first registry that the cluster does not permit; empty when all are.

    Asked about are the samplesRegistry, or, where it is empty, the registries of the library.
    """
    asked = [registry.partition("/")[0]] if registry else _registries(library)
    return next((one for one in asked if not _is_permitted(one, image_config)), "")


def _registries(library: Library | None) -> list[str]:
    return sorted(set(_hosts(library.streams.values()))) if library else []


def _hosts(streams: Iterable[JsonObject]) -> Iterator[str]:
    for stream in streams:
        spec = mapping(stream.get("spec"))
        sources = [mapping(tag.get("from")) for tag in mappings(spec.get("tags"))]
        named = [text(one.get("name")) for one in sources if one.get("kind") == "DockerImage"]
        for name in (*named, text(spec.get("dockerImageRepository"))):
            if name:
                yield parse_image_reference(name).registry or _DEFAULT_REGISTRY


def _is_permitted(registry: str, image_config: JsonObject) -> bool:
    spec = mapping(image_config.get("spec"))
    sources = mapping(spec.get("registrySources"))
    for_import = [
        text(one.get("domainName")) for one in mappings(spec.get("allowedRegistriesForImport"))
    ]
    allowed = [one.strip() for one in texts(sources.get("allowedRegistries"))]
    if for_import and not any(registry.endswith(name) for name in for_import if name):
        return False
    if allowed and registry not in allowed:
        return False
    return registry not in [one.strip() for one in texts(sources.get("blockedRegistries"))]
