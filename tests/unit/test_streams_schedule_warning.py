"""What a person is told who moves a scheduled tag by hand, and when it is not true any more."""

from __future__ import annotations

from fakes.streams import (
    NAME,
    alias,
    at,
    digest,
    event,
    history,
    image_stream,
    imported,
    permanent,
    pull_spec,
    registry_tag,
    resolve,
)
from tagstream.streams.image_stream import ImageStream, ImportPolicy, TagReference
from tagstream.streams.imports import decide_import
from tagstream.streams.schedule_warning import ANNOTATION
from tagstream.streams.sources import needed_sources
from tagstream.streams.spec_write import changed_tags
from tagstream.streams.stream_commands import Written, decide_push, decide_spec
from tagstream.streams.tags import with_tag

SCHEDULED = ImportPolicy(scheduled=True)
RESUMED = registry_tag("prod", policy=SCHEDULED)


def on_schedule() -> ImageStream:
    """`prod` is imported on schedule and was at two images; `live` follows it."""
    return image_stream(
        [RESUMED, alias("live", "prod"), registry_tag("other")],
        [history("prod", event("two"), event("one")), history("live", event("two"))],
    )


def put(before: ImageStream, ref: TagReference) -> Written:
    wanted = with_tag(before, ref)
    sources = resolve(needed_sources(wanted, changed_tags(before, wanted)), [before])
    return decide_spec(before, wanted, sources, at(5), "", tag=ref.name)


def roll_back(before: ImageStream, tag: str) -> Written:
    return put(before, permanent(tag, f"{NAME}@{digest('one')}"))


def push(before: ImageStream, tag: str, image: str) -> Written:
    return decide_push(before, tag, pull_spec(image), digest(image), at(5))


def check(before: ImageStream, image: str) -> ImageStream:
    """The schedule's next look at `prod`."""
    return decide_import(before, [imported("prod", image, policy=SCHEDULED)], at(9), "")


def told(stream: ImageStream) -> str:
    return stream.metadata.annotations.get(ANNOTATION, "")


def test_a_rollback_ends_the_schedule_and_says_how_to_resume_it() -> None:
    written = roll_back(on_schedule(), "prod")
    assert written.warning is not None
    assert "its schedule has ended" in written.warning
    assert f"oc tag --scheduled quay.io/acme/python:3.5 {NAME}:prod" in written.warning
    assert told(written.after) == written.warning


def test_the_warning_goes_when_the_schedule_is_resumed() -> None:
    rolled_back = roll_back(on_schedule(), "prod").after
    resumed = put(rolled_back, RESUMED)
    assert resumed.warning is None
    assert ANNOTATION not in resumed.after.metadata.annotations


def test_the_warning_stays_when_another_tag_is_written() -> None:
    rolled_back = roll_back(on_schedule(), "prod").after
    assert told(put(rolled_back, registry_tag("other", reference=True)).after) == told(rolled_back)


def test_a_push_to_a_scheduled_tag_will_be_undone() -> None:
    written = push(on_schedule(), "prod", "three")
    assert written.warning is not None
    assert written.warning.startswith("tag prod will move again")
    assert told(written.after) == written.warning


def test_the_warning_of_a_push_goes_with_the_check_that_undoes_it() -> None:
    pushed = push(on_schedule(), "prod", "three").after
    checked = check(pushed, "two")
    assert checked.head("prod") != pushed.head("prod")
    assert told(checked) == ""


def test_a_check_that_moves_nothing_leaves_the_warning() -> None:
    pushed = push(on_schedule(), "prod", "three").after
    assert told(check(pushed, "three")) == told(pushed)


def test_a_push_to_a_follower_of_a_scheduled_tag_will_be_undone() -> None:
    written = push(on_schedule(), "live", "three")
    assert written.warning is not None
    assert written.warning.startswith("tag live will move again: prod is imported on schedule")
    assert told(check(written.after, "four")) == ""


def test_a_tag_without_a_schedule_is_moved_without_a_word() -> None:
    assert push(on_schedule(), "other", "three").warning is None
