"""The writes that were recorded on a real OpenShift, with the generations and histories it gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from fakes.streams import (
    alias,
    at,
    create,
    delete,
    heads,
    image_stream,
    permanent,
    put,
    registry_tag,
    spec_generations,
    update,
)
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    ImportPolicy,
    ReferencePolicy,
    StreamMetadata,
    TagEvent,
)
from tagstream.streams.imports import ImportedImage, ImportFailure, TagImport, decide_import
from tagstream.streams.status_write import decide_mapping

A = "sha256:2b2f07eb966fd0a3031dbdbf847c240fdf40c81f03785fba820c9a44d013ba81"
B = "sha256:90826e5803baaee33d6cef694fc3f15f26d8dc672fb4eac9838cd7a5ddb320b4"
LIST, CHILD = f"sha256:{'bcc2' * 16}", f"sha256:{'5498' * 16}"
PUSHED = f"sha256:{'a' * 64}"
SOURCE = "127.0.0.1:15000/story/python"
INSECURE = ImportPolicy(insecure=True)

Change = Callable[[ImageStream, int], ImageStream]


def importing(
    *tags: tuple[str, str, str | None],
    policy: ImportPolicy = INSECURE,
    reference_policy: str = ReferencePolicy.SOURCE,
) -> Change:
    """Imports: tag, pull spec, and the digest found or None."""
    imports = [
        TagImport(
            tag,
            pull,
            policy,
            reference_policy,
            ImportedImage(f"{SOURCE}@{found}", found)
            if found
            else ImportFailure("NotFound", "not found"),
        )
        for tag, pull, found in tags
    ]
    return lambda stream, second: decide_import(stream, imports, at(second), "")


def wishing(tag: str, pull: str, *, scheduled: bool = False, reference: bool = False) -> Change:
    """`oc tag REGISTRY/... stream:tag`, which asks for an import."""
    policy = replace(INSECURE, scheduled=scheduled)
    ref = registry_tag(tag, pull, generation=0, policy=policy, reference=reference)
    return lambda stream, second: put(stream, ref, now=at(second))


def tagging(tag: str, image: str) -> Change:
    """`oc tag stream:other stream:tag`."""
    ref = permanent(tag, f"py@{image}", generation=None)
    return lambda stream, second: put(stream, ref, now=at(second))


def deleting(tag: str) -> Change:
    return lambda stream, second: delete(stream, tag, now=at(second))


@dataclass(frozen=True, slots=True)
class Step:
    """`case` of the recording, what was done, and what was then to be seen: the stream's
    generation, those of the references, and the histories."""

    case: str
    change: Change
    generation: int
    spec: dict[str, int | None]
    status: dict[str, list[tuple[str, int]]]


V35, V36 = f"{SOURCE}:3.5", f"{SOURCE}:3.6"
PYTHON = [
    Step("a02", importing(("3.5", V35, A)), 1, {"3.5": 1}, {"3.5": [(A, 1)]}),
    Step("a05", tagging("latest", A), 2, {"3.5": 1, "latest": 2}, {"latest": [(A, 2)]}),
    Step("a13", wishing("3.6", V36), 3, {"3.6": 3}, {"3.5": [(A, 1)]}),
    Step("a14", importing(("3.6", V36, B)), 4, {"3.6": 4, "3.5": 1}, {"3.6": [(B, 4)]}),
    Step("a15", tagging("latest", B), 5, {"latest": 5}, {"latest": [(B, 5), (A, 2)]}),
    Step("a17", tagging("latest", A), 6, {"latest": 6}, {"latest": [(A, 6), (B, 5), (A, 2)]}),
    Step("a19", wishing("3.6", V36, scheduled=True), 7, {"3.6": 7}, {"3.6": [(B, 4)]}),
    Step(
        "a20",
        importing(("3.6", V36, B), policy=replace(INSECURE, scheduled=True)),
        8,
        {"3.5": 1, "3.6": 8, "latest": 6},
        {"3.6": [(B, 8)]},
    ),
    Step("a21", wishing("3.6", V36), 9, {"3.6": 9}, {"3.6": [(B, 8)]}),
    Step("a22", importing(("3.6", V36, B)), 10, {"3.6": 10}, {"3.6": [(B, 10)]}),
    Step(
        "a23",
        lambda stream, second: put(stream, alias("stable", "py:3.6", generation=None)),
        11,
        {"stable": 11, "3.6": 10},
        {"stable": [(B, 11)], "3.6": [(B, 11)]},
    ),
    Step("a24", wishing("3.6", V35), 12, {"3.6": 12}, {"3.6": [(B, 11)]}),
    Step(
        "a25",
        importing(("3.6", V35, A)),
        13,
        {"3.6": 13, "stable": 11},
        {"3.6": [(A, 13), (B, 11)], "stable": [(A, 13), (B, 11)]},
    ),
    Step("a27", wishing("ref", V36, reference=True), 14, {"ref": 14}, {"ref": [("", 14)]}),
    Step("a28", wishing("local", V35), 15, {"local": 15}, {}),
    Step("a28", importing(("local", V35, A)), 16, {"local": 16}, {"local": [(A, 16)]}),
    Step("a29", deleting("ref"), 17, {}, {}),
    Step("a30", deleting("local"), 18, {}, {}),
    Step(
        "b11",
        importing(("3.5", V35, A)),
        18,
        {"3.5": 1, "3.6": 13, "latest": 6, "stable": 11},
        {
            "3.5": [(A, 1)],
            "3.6": [(A, 13), (B, 11)],
            "latest": [(A, 6), (B, 5), (A, 2)],
            "stable": [(A, 13), (B, 11)],
        },
    ),
    Step("c05", wishing("latest", f"{SOURCE}@{B}"), 19, {"latest": 19}, {}),
    Step("c05", importing(("latest", f"{SOURCE}@{B}", B)), 20, {"latest": 20}, {}),
    Step(
        "c07",
        tagging("latest", A),
        21,
        {"latest": 21},
        {"latest": [(A, 21), (B, 20), (A, 6), (B, 5), (A, 2)]},
    ),
    Step(
        "d01",
        lambda stream, second: update(stream, replace(stream, lookup_local=True)),
        22,
        {"3.5": 1, "3.6": 13, "latest": 21, "stable": 11},
        {},
    ),
]
MISSING = "127.0.0.1:15000/story/nothere:1"
APP = [
    Step("import-ok", importing(("1", V35, A)), 1, {"1": 1}, {"1": [(A, 1)]}),
    Step("import-again", importing(("1", V35, A)), 1, {"1": 1}, {"1": [(A, 1)]}),
    Step(
        "import-partial",
        importing(("2", V36, B), ("3", MISSING, None)),
        2,
        {"1": 1, "2": 2, "3": 2},
        {"1": [(A, 1)], "2": [(B, 2)], "3": []},
    ),
    Step("put-istag-new", tagging("viaput", A), 3, {"viaput": 3}, {"viaput": [(A, 3)]}),
    Step(
        "put-istag-missing-source",
        lambda stream, second: put(stream, alias("viaput2", "py:nope", generation=None)),
        4,
        {"1": 1, "2": 2, "3": 2, "viaput": 3, "viaput2": 4},
        {"1": [(A, 1)], "2": [(B, 2)], "3": [], "viaput": [(A, 3)]},
    ),
    Step(
        "patch-merge",
        lambda stream, second: update(
            stream, replace(stream, metadata=StreamMetadata(labels={"a": "b"}))
        ),
        4,
        {"viaput2": 4},
        {},
    ),
    Step(
        "patch-strategic",
        lambda stream, second: put(stream, replace(stream.spec_tags["2"], annotations={"k": "v"})),
        5,
        {"1": 1, "2": 2, "3": 2, "viaput": 3, "viaput2": 4},
        {"2": [(B, 2)]},
    ),
    Step(
        "mapping",
        lambda stream, second: decide_mapping(
            stream, "pushed", TagEvent(at(second), f"reg/app@{PUSHED}", PUSHED, stream.generation)
        ),
        5,
        {},
        {"pushed": [(PUSHED, 5)]},
    ),
    Step(
        "delete-istag",
        deleting("viaput"),
        6,
        {"1": 1, "2": 2, "3": 2, "viaput2": 4},
        {"1": [(A, 1)], "2": [(B, 2)], "3": [], "pushed": [(PUSHED, 5)]},
    ),
]
MULTI = f"{SOURCE}/multi:1"
PRESERVED = ImportPolicy(insecure=True, import_mode=ImportMode.PRESERVE_ORIGINAL)
MODES = [
    Step(
        "b01",
        importing(("1", MULTI, LIST), policy=PRESERVED, reference_policy=ReferencePolicy.LOCAL),
        1,
        {"1": 1},
        {"1": [(LIST, 1)]},
    ),
    Step("b03", importing(("1", MULTI, CHILD)), 2, {"1": 2}, {"1": [(CHILD, 2), (LIST, 1)]}),
]
WHOLE = [
    Step(
        "post",
        lambda stream, second: create(
            replace(
                stream,
                spec_tags={
                    "3.5": registry_tag("3.5", V35, generation=None, policy=INSECURE),
                    "3.6": registry_tag("3.6", V36, generation=None, policy=INSECURE),
                },
            )
        ),
        1,
        {"3.5": 1, "3.6": 1},
        {},
    ),
    Step(
        "imported",
        importing(("3.5", V35, A), ("3.6", V36, B)),
        2,
        {"3.5": 2, "3.6": 2},
        {"3.5": [(A, 2)], "3.6": [(B, 2)]},
    ),
]


@pytest.mark.parametrize(
    "steps", [PYTHON, APP, MODES, WHOLE], ids=["python", "app", "modes", "whole"]
)
def test_recorded_writes_give_the_recorded_numbers(steps: list[Step]) -> None:
    stream = image_stream(generation=0)
    for second, step in enumerate(steps):
        stream = step.change(stream, second)
        assert stream.generation == step.generation, step.case
        spec, status = spec_generations(stream), heads(stream)
        assert {tag: spec[tag] for tag in step.spec} == step.spec, step.case
        assert {tag: status[tag] for tag in step.status} == step.status, step.case


def last(steps: list[Step]) -> ImageStream:
    stream = image_stream(generation=0)
    for second, step in enumerate(steps):
        stream = step.change(stream, second)
    return stream


def test_the_recorded_streams_end_with_these_tags() -> None:
    assert set(last(PYTHON).spec_tags) == {"3.5", "3.6", "latest", "stable"}
    assert set(last(PYTHON).status_tags) == {"3.5", "3.6", "latest", "stable"}
    assert set(last(APP).status_tags) == {"1", "2", "3", "pushed"}


def test_a_confirmed_head_keeps_its_time() -> None:
    head = last(PYTHON[:10]).head("3.6")
    assert head is not None
    assert (head.created, head.generation) == (at(3), 10)


def test_the_recorded_failure_has_the_generation_of_its_write() -> None:
    (condition,) = last(APP).history("3").conditions
    assert (condition.generation, condition.reason) == (2, "NotFound")


def test_importing_again_by_oc_keeps_the_reference_policy() -> None:
    assert last(MODES).spec_tags["1"].reference_policy == ReferencePolicy.LOCAL
    assert last(MODES).spec_tags["1"].import_policy.import_mode == ImportMode.LEGACY
