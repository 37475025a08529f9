"""What the image of a container says of an image stream, and references that say nothing. Pure.

Source: spec/triggers-lookup-pruning.md D3 and D12.
"""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.images.reference import DEFAULT_TAG, parse_image_reference


@dataclass(frozen=True, slots=True)
class StreamReference:
    """A stream's image by digest, or the head of one of its tags; the other one is empty."""

    namespace: str
    stream: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class BadReference:
    """A reference that cannot be read. `resource` is the kind in the singular, lower case."""

    resource: str
    namespace: str
    name: str
    is_init: bool
    container: str
    image: str
    cause: str

    def line(self) -> str:
        """As the guide's pruner prints it (D12)."""
        kind = "init container" if self.is_init else "container"
        return (
            f"{self.resource}/{self.name} namespace={self.namespace}: {kind} {self.container}: "
            f'invalid image reference "{self.image}": {self.cause}'
        )


def read_reference(image: str) -> StreamReference | None:
    """The stream's image that a container names; None when it names none of any stream.

    Only `host/namespace/name` counts, whatever the host. Raises InvalidReference.
    """
    ref = parse_image_reference(image)
    if not (ref.registry and ref.namespace and ref.name) or "/" in ref.name:
        return None
    tag = "" if ref.digest else ref.tag or DEFAULT_TAG
    return StreamReference(ref.namespace, ref.name, tag, ref.digest)
