"""JSON patches as values. Pure: builds them, never sends them.

Owns the guard idea: a patch computed from a remembered object carries `test` operations for all it
relied on, so that the server refuses it when the object has changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


class PatchOperation(TypedDict):
    """One operation of RFC 6902."""

    op: Literal["test", "add"]
    path: str
    value: JsonValue


@dataclass(frozen=True, slots=True)
class ContainerImageChange:
    """A container, where it stood, and the image it should get.

    `list_name` is `containers` or `initContainers`; `index` counts from 0.
    """

    list_name: str
    index: int
    container: str
    old_image: str
    new_image: str


def pointer(*parts: str | int) -> str:
    """An RFC 6901 pointer to the given path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def build_image_patch(
    pod_spec: Sequence[str],
    changes: Sequence[ContainerImageChange],
    annotation: tuple[str, str] | None = None,
    *,
    generation: int = 0,
) -> tuple[PatchOperation, ...]:
    """Set container images, provided that names, images and `annotation` are as remembered.

    `pod_spec` is the path of the pod spec inside the object; `annotation` is key and value. A
    `generation` above 0 must be as remembered, too: an image that came back is not told from one
    that never went. All tests come first. A container that had no image at all cannot be tested
    for it and is only tested by name.
    """
    tests: list[PatchOperation] = []
    writes: list[PatchOperation] = []
    if annotation is not None:
        key, value = annotation
        tests.append(
            {"op": "test", "path": pointer("metadata", "annotations", key), "value": value}
        )
    if generation:
        tests.append({"op": "test", "path": pointer("metadata", "generation"), "value": generation})
    for change in changes:
        at: tuple[str | int, ...] = (*pod_spec, change.list_name, change.index)
        image = pointer(*at, "image")
        tests.append({"op": "test", "path": pointer(*at, "name"), "value": change.container})
        if change.old_image:
            tests.append({"op": "test", "path": image, "value": change.old_image})
        # On a member that exists, `add` replaces.
        writes.append({"op": "add", "path": image, "value": change.new_image})
    return (*tests, *writes)
