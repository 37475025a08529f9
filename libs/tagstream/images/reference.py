"""References to images, as people write them: pull specs, and names within image streams.

Owns the grammar and every derived form of spec/image-api-and-import.md §2.1-§2.2 and the resource
names of §1.7 and §1.9. Does not know which registries are allowed, or what a reference points at;
what the `from` of a stream kind refers to is in streams/sources.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from tagstream.images.digest import HEX_LENGTHS, is_digest

DEFAULT_TAG: Final = "latest"
DEFAULT_REGISTRY: Final = "docker.io"
HUB_NAMESPACE: Final = "library"
HUB_HOST: Final = "registry-1.docker.io"
HUB_REGISTRIES: Final = frozenset({DEFAULT_REGISTRY, "index.docker.io", HUB_HOST})
MAX_NAME_LENGTH: Final = 255

# The published grammar lets a separator be empty; written so here, a long name would be tried in
# every possible way. These patterns accept the same texts and can match each in one way only.
_HOST_COMPONENT = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_HOST = rf"{_HOST_COMPONENT}(?:\.{_HOST_COMPONENT})*(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    rf"(?:@(?P<digest>{_ALGORITHM}:[0-9a-fA-F]{{32,}}))?"
)


class InvalidReference(ValueError):
    """The text is no reference; `str()` is the server's own wording, meant for users."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A parsed pull spec. Absent parts are empty; only what was written is set.

    `name` may hold slashes (`b/c` of `quay.io/a/b/c`). A reference may name a registry only, with
    everything else empty. When both a tag and a digest are set the digest decides.
    """

    registry: str
    namespace: str
    name: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        """What was written, without tag and digest: nothing is added."""
        return "/".join(part for part in (self.registry, self.namespace, self.name) if part)

    @property
    def exact(self) -> str:
        """What was written: the digest if there is one, else the tag; no default is added."""
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def most_specific(self) -> ImageReference:
        """Without the tag, when a valid digest says more."""
        return replace(self, tag="") if is_digest(self.digest) else self

    @property
    def network_host(self) -> str:
        """The `host[:port]` to talk to, always by https at first."""
        registry = self.with_client_defaults().registry
        return HUB_HOST if registry in HUB_REGISTRIES else registry

    @property
    def repository_path(self) -> str:
        """The repository as the registry's HTTP paths name it; empty for a registry alone."""
        if not self.name:
            return ""
        full = self.with_client_defaults()
        return f"{full.namespace}/{full.name}" if full.namespace else full.name

    @property
    def minimal(self) -> str:
        """One text for all ways to write the same image, for counting (§10.2)."""
        full = self.with_client_defaults()
        on_hub = full.registry in HUB_REGISTRIES
        return replace(
            full,
            registry=DEFAULT_REGISTRY if on_hub else full.registry,
            namespace="" if on_hub and full.namespace == HUB_NAMESPACE else full.namespace,
            tag="" if full.tag == DEFAULT_TAG else full.tag,
        ).exact

    @property
    def normalized(self) -> str:
        """Fully qualified, as messages show it: `docker.io/library/test:latest`."""
        return self.with_client_defaults().exact

    def with_client_defaults(self) -> ImageReference:
        """What a client takes an incomplete reference to mean."""
        registry = self.registry or DEFAULT_REGISTRY
        default_namespace = HUB_NAMESPACE if registry in HUB_REGISTRIES else ""
        return replace(
            self,
            registry=registry,
            namespace=self.namespace or default_namespace,
            tag=self.tag or DEFAULT_TAG,
        )

    def with_tag(self, tag: str) -> ImageReference:
        """The same repository by tag; a digest is dropped, since it would win."""
        return replace(self, tag=tag, digest="")

    def with_digest(self, digest: str) -> ImageReference:
        """The same repository by digest; the tag is dropped."""
        return replace(self, tag="", digest=digest)


def parse_image_reference(text: str) -> ImageReference:
    """Parse a pull spec (§2.1).

    Raises InvalidReference with exactly the server's text.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InvalidReference(_why_no_reference(text))
    name, tag, digest = match["name"], match["tag"] or "", match["digest"] or ""
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidReference(
            f"repository name must not be more than {MAX_NAME_LENGTH} characters"
        )
    _check_digest(digest)
    if _is_registry_alone(name):
        # What looked like a tag was the port, so the text is taken whole.
        return ImageReference(registry=text, namespace="", name="", tag="", digest="")
    registry, path = _split_registry(name)
    namespace, slash, rest = path.partition("/")
    if not slash:
        namespace, rest = "", path
    return ImageReference(registry=registry, namespace=namespace, name=rest, tag=tag, digest=digest)


def split_stream_tag(name: str) -> tuple[str, str] | None:
    """Stream and tag of a resource name `<stream>:<tag>`; None when it is not of that form (§1.7).

    Exactly one colon, no `@`, neither part empty; the tag's own syntax is not checked (§2.4).
    """
    if "@" in name:
        return None
    return _split_once(name, ":")


def split_stream_tag_leniently(name: str) -> tuple[str, str]:
    """Stream and tag, where a missing or empty tag means `latest`, as tracking reads it (§2.3)."""
    stream, _, tag = name.partition(":")
    return stream, tag or DEFAULT_TAG


def split_stream_image(name: str) -> tuple[str, str] | None:
    """Stream and id of a resource name `<stream>@<id>`; None when it is not of that form (§1.9)."""
    return _split_once(name, "@")


def _split_once(name: str, separator: str) -> tuple[str, str] | None:
    parts = name.split(separator)
    if len(parts) != 2 or not all(parts):
        return None
    return parts[0], parts[1]


def _why_no_reference(text: str) -> str:
    if not text:
        return "repository name must have at least one component"
    if _REFERENCE.fullmatch(text.lower()):
        return "repository name must be lowercase"
    return "invalid reference format"


def _check_digest(digest: str) -> None:
    if not digest:
        return
    algorithm, _, hex_digits = digest.partition(":")
    if algorithm not in HEX_LENGTHS:
        raise InvalidReference("unsupported digest algorithm")
    if HEX_LENGTHS[algorithm] != len(hex_digits):
        raise InvalidReference("invalid checksum digest length")


def _is_registry_alone(name: str) -> bool:
    return "/" not in name and ("." in name or name.startswith("localhost"))


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return (first, rest) if is_registry else ("", name)
