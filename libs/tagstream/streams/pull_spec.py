"""What a user of a tag pulls, and what an outsider is told when that changes.

spec/image-api-and-import.md §3.4, spec/triggers-lookup-pruning.md A6.
"""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.image_stream import (
    ImageStream,
    ReferencePolicy,
    TagEvent,
    TagReference,
)

# Where OpenShift's integrated registry answers inside a cluster. All services must agree on it.
INTERNAL_REGISTRY = "image-registry.openshift-image-registry.svc:5000"


def repository_of(namespace: str, name: str, spec_repository: str, internal_registry: str) -> str:
    """`status.dockerImageRepository`: inside the integrated registry when there is one (§4.1)."""
    if internal_registry:
        return f"{internal_registry}/{namespace}/{name}"
    return spec_repository


def stream_repository(stream: ImageStream, internal_registry: str) -> str:
    return repository_of(
        stream.namespace, stream.name, stream.docker_image_repository, internal_registry
    )


def resolve_pull_spec(head: TagEvent | None, ref: TagReference | None, repository: str) -> str:
    """What the tag with this head and this reference resolves to; "" when it has no image.

    `repository` is `status.dockerImageRepository`.
    """
    if head is None:
        return ""
    if ref is None or ref.reference_policy != ReferencePolicy.LOCAL or not head.image:
        return head.docker_image_reference
    try:
        base = parse_image_reference(repository)
    except InvalidReference:
        return head.docker_image_reference
    return f"{base.repository}@{head.image}"


@dataclass(frozen=True, slots=True)
class TagMove:
    """A tag's pull spec before and after; an empty one means none."""

    tag: str
    old_head: TagEvent | None
    new_head: TagEvent | None
    old_reference: TagReference | None
    new_reference: TagReference | None
    old_pull_spec: str
    new_pull_spec: str


def find_moves(before: ImageStream, after: ImageStream, internal_registry: str) -> list[TagMove]:
    """The tags whose pull spec differs between two values of one stream, by name.

    A generation that merely catches up is no move (architecture, "Events").
    """
    moves = []
    for tag in sorted(_touched_tags(before, after)):
        move = TagMove(
            tag,
            before.head(tag),
            after.head(tag),
            before.spec_tags.get(tag),
            after.spec_tags.get(tag),
            _resolved(before, tag, internal_registry),
            _resolved(after, tag, internal_registry),
        )
        if move.old_pull_spec != move.new_pull_spec:
            moves.append(move)
    return moves


def _touched_tags(before: ImageStream, after: ImageStream) -> set[str]:
    """Tags that can have moved: all, if what local ones resolve to has."""
    spec = before.spec_tags.keys() | after.spec_tags.keys()
    status = before.status_tags.keys() | after.status_tags.keys()
    if before.docker_image_repository != after.docker_image_repository:
        return spec | status
    return {t for t in spec if before.spec_tags.get(t) is not after.spec_tags.get(t)} | {
        t for t in status if before.status_tags.get(t) is not after.status_tags.get(t)
    }


def _resolved(stream: ImageStream, tag: str, internal_registry: str) -> str:
    return resolve_pull_spec(
        stream.head(tag),
        stream.spec_tags.get(tag),
        stream_repository(stream, internal_registry),
    )
