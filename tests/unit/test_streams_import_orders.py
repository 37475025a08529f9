"""Which imports are ordered, and which results still count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tagstream.streams.image_stream import (
    ImageStream,
    ImportPolicy,
    StreamMetadata,
    TagEvent,
    TagHistory,
    TagReference,
    TagSource,
)
from tagstream.streams.import_applying import applicable_results
from tagstream.streams.import_orders import (
    MAX_TAGS_PER_ORDER,
    decide_orders,
    tags_to_check,
    tags_to_import,
)
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    ImportResult,
    ImportStatus,
)
from tagstream.streams.imports import CHECK_ANNOTATION

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def tag(
    name: str,
    source: str,
    generation: int | None = 1,
    *,
    kind: str = "DockerImage",
    scheduled: bool = False,
    annotations: Mapping[str, str] | None = None,
) -> TagReference:
    return TagReference(
        name,
        TagSource(kind, source),
        annotations,
        generation=generation,
        import_policy=ImportPolicy(scheduled=scheduled),
    )


def stream(
    *tags: TagReference, heads: Mapping[str, int] | None = None, checked: bool = True
) -> ImageStream:
    annotations = {CHECK_ANNOTATION: "2026-01-01T00:00:00Z"} if checked else {}
    return ImageStream(
        "ns",
        "app",
        "u",
        NOW,
        generation=3,
        metadata=StreamMetadata(annotations=annotations),
        spec_tags={t.name: t for t in tags},
        status_tags={
            name: TagHistory(name, (TagEvent(NOW, f"quay.io/a/b@{DIGEST}", DIGEST, generation),))
            for name, generation in (heads or {}).items()
        },
    )


def found(status_ok: bool = True) -> ImageImportResult:
    if not status_ok:
        return ImageImportResult("t", ImportStatus(False, "NotFound", 404, "not there"))
    body = {"dockerImageReference": f"quay.io/a/b@{DIGEST}"}
    image = FetchedImage(DIGEST, body, b"{}")  # type: ignore[arg-type]
    return ImageImportResult("t", ImportStatus(True), image)


def test_only_newer_wishes_are_imported() -> None:
    one = stream(tag("old", "quay.io/a/b:1"), tag("new", "quay.io/a/b:2", 2), heads={"old": 1})
    assert tags_to_import(one) == ["new"]


def test_a_tag_without_generation_comes_along_but_is_never_due_by_itself() -> None:
    along = tag("along", "quay.io/a/b:1", None)
    assert tags_to_import(stream(along)) == []
    assert tags_to_import(stream(along, tag("new", "quay.io/a/b:2"))) == ["along", "new"]
    assert tags_to_import(stream(along, checked=False)) == ["along"]


def test_a_schedule_looks_at_a_digest_until_it_was_imported() -> None:
    by_digest = tag("pinned", f"quay.io/a/b@{DIGEST}", scheduled=True)
    moving = tag("moving", "quay.io/a/b:1", scheduled=True)
    manual = tag("manual", "quay.io/a/b:1")
    broken = tag("broken", "Not A Reference", scheduled=True)
    tags = (by_digest, moving, manual, broken)
    assert tags_to_check(stream(*tags)) == ["moving", "pinned"]
    assert tags_to_check(stream(*tags, heads={"pinned": 1, "moving": 1})) == ["moving"]


def test_one_order_asks_one_host() -> None:
    one = stream(
        tag("hub", "nginx"),
        tag("hub2", "docker.io/library/nginx:1"),
        tag("quay", "quay.io/a/b:1", 2),
        tag("none", "Not A Reference"),
    )
    orders = decide_orders(one, sorted(one.spec_tags), [], deadline_s=9)
    assert [(o.host, dict(o.generations)) for o in orders] == [
        ("", {"none": 1}),
        ("quay.io", {"quay": 2}),
        ("registry-1.docker.io", {"hub": 1, "hub2": 1}),
    ]
    assert [spec.to_tag for spec in orders[2].request.images] == ["hub", "hub2"]
    assert orders[0].request.deadline_s == 9


def test_what_is_under_way_at_the_same_generation_is_not_ordered_again() -> None:
    one = stream(tag("a", "quay.io/a/b:1", 2), tag("b", "quay.io/a/b:2", 2))
    orders = decide_orders(one, ["a", "b"], [{"a": 1, "b": 2}], deadline_s=9)
    assert [dict(o.generations) for o in orders] == [{"a": 2}]


def test_large_streams_are_ordered_in_parts() -> None:
    one = stream(*(tag(f"t{n}", f"quay.io/a/b:{n}") for n in range(MAX_TAGS_PER_ORDER + 1)))
    orders = decide_orders(one, sorted(one.spec_tags), [], deadline_s=9)
    assert [len(o.generations) for o in orders] == [MAX_TAGS_PER_ORDER, 1]


def test_a_tags_annotations_choose_the_platform() -> None:
    wish = {
        "importer.image.openshift.io/prefer-os": "windows",
        "importer.image.openshift.io/prefer-arch": "arm64",
    }
    one = stream(tag("a", "quay.io/a/b:1", annotations=wish))
    spec = decide_orders(one, ["a"], [], deadline_s=9)[0].request.images[0]
    assert (spec.prefer_os, spec.prefer_arch) == ("windows", "arm64")


def test_results_of_deleted_retargeted_and_newer_tags_do_not_apply() -> None:
    names = ["deleted", "followed", "newer", "same"]
    before = stream(*(tag(name, "quay.io/a/b:1") for name in names))
    (order,) = decide_orders(before, names, [], deadline_s=9)
    after = stream(
        tag("followed", "same", kind="ImageStreamTag"),
        tag("newer", "quay.io/a/b:2", 2),
        tag("same", "quay.io/a/b:1"),
    )
    result = ImportResult(tuple(found() for _ in names))
    applicable = applicable_results(after, order.request, order.generations, result)
    assert [one.tag_import.tag for one in applicable] == ["same"]
    assert applicable[0].tag_import.from_name == "quay.io/a/b:1"


def test_a_policy_changed_meanwhile_is_kept() -> None:
    before = stream(tag("a", "quay.io/a/b:1"))
    (order,) = decide_orders(before, ["a"], [], deadline_s=9)
    after = stream(tag("a", "quay.io/a/b:1", scheduled=True))
    (one,) = applicable_results(
        after, order.request, order.generations, ImportResult((found(False),))
    )
    assert one.tag_import.import_policy.scheduled
