"""Playing a recording: equal when nothing changed, and the first difference when a rule did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fakes.derived_recording import Made
from tagstream.cli.replay_text import difference_lines, story_line, verdict
from tagstream.replay.player import Difference, Player
from tagstream.replay.recording import check_seal, read_lines
from tagstream.streams import spec_write
from tagstream.streams.image_stream import TagEvent, TagHistory

ONE, TWO = (f"registry.example.com/app@sha256:{digit * 64}" for digit in "12")


def history() -> Made:
    """A tag, one that follows it, two moves of the first, and another stream that goes again."""
    made = Made()
    made.tag("app", "build", ONE)
    made.follow("app", "prod", "build")
    made.tag("app", "build", TWO)
    made.tag("app", "build", ONE)
    made.tag("other", "1", ONE)
    made.delete("other")
    return made


def play(lines: Sequence[bytes]) -> tuple[Player, Difference | None]:
    check_seal(lines)
    player = Player()
    return player, player.play(read_lines(lines))


def test_the_same_decisions_give_the_same_results() -> None:
    player, difference = play(history().lines())
    assert difference is None
    assert verdict(player.summary) == [
        "equal: 6 commands gave the same 6 changes, 8 facts and 0 jobs, and the same rows of "
        "2 image streams"
    ]


def test_a_changed_rule_is_named_by_the_first_event_that_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = history().lines()

    def oldest_first(before: TagHistory, event: TagEvent) -> TagHistory:
        return replace(before, items=(*before.items, event))

    monkeypatch.setattr(spec_write, "add_event", oldest_first)
    _, difference = play(lines)
    assert difference is not None
    assert difference.entry is not None
    assert difference.entry.position == 1002
    text = "\n".join(difference_lines(difference))
    assert text.startswith("different: MODIFIED of imagestream shop/app\n")
    assert "  position 1002" in text
    assert "imagestreamtag.put shop/app:build by jane (oc)" in text


def test_a_fact_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = history().lines()
    monkeypatch.setattr("tagstream.replay.act.stream_facts", lambda before, after, internal: [])
    _, difference = play(lines)
    assert difference is not None
    assert difference.what == "dev.tagstream.tag.changed.v1 of shop/app:build"
    assert difference.replayed is None


def test_followers_that_stay_behind_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = history().lines()
    monkeypatch.setattr(spec_write, "propagate", lambda stream, moved: stream)
    _, difference = play(lines)
    assert difference is not None
    assert difference.entry is not None
    assert difference.entry.position == 1002


def test_rows_that_differ_at_the_end_are_named_by_table() -> None:
    made = history()
    (held,) = made.world.streams.values()
    held.live["build"][-1].actor = "somebody else"
    _, difference = play(made.lines())
    assert difference is not None
    assert difference.what.startswith("rows of tag_items, stream ")
    assert any('+    "jane"' in line for line in difference_lines(difference))


def test_a_command_on_what_is_not_there_is_told_as_refused() -> None:
    made = history()
    made.entries.append({**made.entries[-1], "changes": [], "facts": []})
    _, difference = play(made.lines())
    assert difference is not None
    assert difference.replayed == "refused: the image stream shop/other is not there"


def test_a_command_of_an_older_release_says_what_it_lacks() -> None:
    made = history()
    first = made.entries[0]
    made.entries[0] = {
        **first,
        "command": {**first["command"], "arguments": {"namespace": "shop", "name": "app:build"}},
    }
    _, difference = play(made.lines())
    assert difference is not None
    assert difference.replayed == "lacks 'tag'"


def test_a_command_is_told_in_one_line() -> None:
    assert story_line(history().entries[2]) == (
        "    1002  2026-01-01T00:00:02Z  jane  imagestreamtag.put shop/app:build"
        "  -> tag.changed build, tag.changed prod"
    )


def test_an_image_is_found_again_however_often_a_tag_came_back_to_it() -> None:
    made = Made()
    made.tag("app", "first", ONE)
    digests = [f"sha256:{digit * 64}" for digit in "abc"]
    for turn in range(30):
        made.push("app", f"build-{turn % 2}", digests[turn % 3])
        made.pin("app", "prod", digests[(turn * 2) % 3] if turn > 3 else digests[0])
    player, difference = play(made.lines())
    assert difference is None
    (held,) = player.world.streams.values()
    assert {item.image for item in held.stream.history("prod").items} == {*digests}
    for digest in digests:
        (event,) = held.images.newest(digest)
        assert event == max(
            (
                item
                for history in held.stream.status_tags.values()
                for item in history.items
                if item.image == digest
            ),
            key=lambda item: item.created,
        )
    assert held.images.newest(digests[0][7:20]) == held.images.newest(digests[0])
    assert held.images.newest("sha256:d") == ()


def test_a_world_that_differs_is_a_difference_and_no_crash() -> None:
    made = Made()
    made.tag("app", "prod", ONE)
    first = made.entries[0]
    delta = first["command"]["arguments"]["wish"]
    made.entries[0] = {
        **first,
        "command": {
            **first["command"],
            "arguments": {**first["command"]["arguments"], "wish": {**delta, "spec": [1]}},
        },
    }
    _, difference = play(made.lines())
    assert difference is not None
    assert str(difference.replayed).startswith("cannot be applied: ")
