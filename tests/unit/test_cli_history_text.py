"""The words of `tagstream history`, and the moments it is asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fakes.streams import at, digest, pull_spec
from tagstream.cli.history_text import history_lines, meaning_lines, unknown_line
from tagstream.cli.moment import parse_moment
from tagstream.errors import InvalidInput
from tagstream.store.tag_history import Cursor, Meaning, TagTimeline
from tagstream.store.tag_moves import Act, Departure, HistoryItem, Move, MoveKind

NOW = at(7200)


def act(command: str, moment: datetime) -> Act:
    return Act(command, 1000, moment, "imagestreamtag.put", "jane", "oc")


def item(
    seq: int, image: str = "a", *, reference: str = "", retired: Act | None = None
) -> HistoryItem:
    spec = reference or pull_spec(image)
    made = act(f"c{seq}", at(0))
    return HistoryItem("uid", seq, at(0), digest(image), spec, 1, made, retired)


def move(
    kind: MoveKind,
    old: HistoryItem | None,
    new: HistoryItem | None,
    *,
    moment: datetime,
    actor: str = "jane",
    departure: Departure | None = None,
) -> Move:
    return Move(kind, moment, actor, "oc", "c", old, new, departure)


def timeline(*moves: Move, earlier: int = 0, older: Cursor | None = None) -> TagTimeline:
    return TagTimeline("shop", "app", "prod", True, earlier, moves[0].new, moves, older)


def test_an_image_under_another_reference_is_told_by_its_pull_specs() -> None:
    other = item(2, reference=pull_spec("a", "mirror.example/app"))
    lines = history_lines(timeline(move(MoveKind.CORRECTED, item(1), other, moment=NOW)), NOW)
    short = digest("a")[:19]
    assert f"quay.io/acme/python@{short}  ->  mirror.example/app@{short}" in lines[3]


def test_a_pruned_item_says_when_it_was_pruned() -> None:
    pruned = item(1, retired=act("p", at(3600)))
    told = move(MoveKind.SET, None, pruned, moment=at(0), departure=Departure.PRUNED)
    assert "set, pruned About an hour ago" in history_lines(timeline(told), NOW)[3]


def test_earlier_streams_and_older_moves_are_mentioned() -> None:
    told = move(MoveKind.SET, None, item(1), moment=at(0))
    notes = history_lines(timeline(told, earlier=2, older=Cursor("uid", 1)), NOW)[-2:]
    assert "--limit 2" in notes[0]
    assert notes[1].startswith("2 earlier streams of this name")


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    told = move(MoveKind.SET, None, item(1), moment=at(0), actor="\x1b[31mjane")
    assert "\x1b" not in "".join(history_lines(timeline(told), NOW))


def test_columns_stand_below_their_headings() -> None:
    moves = [
        move(MoveKind.MOVED, item(1), item(2, "b"), moment=at(7000)),
        move(MoveKind.SET, None, item(1), moment=at(0)),
    ]
    heading, newest, oldest = history_lines(timeline(*moves), NOW)[2:]
    for word, line in (("FROM", newest), ("TO", newest), ("TO", oldest), ("HOW", oldest)):
        at_column = heading.index(f" {word} ") + 1
        assert line[at_column - 1] == " "
        assert line[at_column] != " "


def test_a_meaning_says_who_ended_it_and_when() -> None:
    gone = move(MoveKind.REMOVED, item(1), None, moment=at(60), actor="eve")
    found = Meaning(move(MoveKind.SET, None, item(1), moment=at(0)), gone)
    lines = meaning_lines(("shop", "app", "prod"), found, at(5), NOW)
    assert lines[-1] == "  until  2026-11-23 04:28:43 UTC (2 hours ago) by eve (oc)"
    after = meaning_lines(("shop", "app", "prod"), Meaning(gone, None), at(99), NOW)
    assert after[0] == (
        "shop/app:prod meant nothing at 2026-11-23 04:29:22 UTC: "
        "removed 2026-11-23 04:28:43 UTC (2 hours ago) by eve (oc)"
    )


@pytest.mark.parametrize(
    ("streams", "tags", "said"),
    [
        ([], [], "there is no image stream in namespace shop, and was none"),
        (["web"], [], "there is no image stream shop/app, and was none; streams there: web"),
        (["app"], [], "shop/app has no tags, and had none"),
        (["app"], ["prod-1"], "shop/app has no tag prod, and had none; did you mean prod-1?"),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_known(
    streams: list[str], tags: list[str], said: str
) -> None:
    assert unknown_line("shop", "app", "prod", streams, tags) == said


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2026-11-20T01:02:03Z", datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)),
        ("2026-11-20T01:02:03+02:00", datetime(2026, 11, 19, 23, 2, 3, tzinfo=UTC)),
        ("2026-11-20 01:02", datetime(2026, 11, 20, 1, 2, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
    ],
)
def test_a_moment_is_an_age_or_a_time(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "noon", "4711", "20261120", "-2h", "2999-01-01", "2026-13-01", "9" * 12 + "d"]
)
def test_any_other_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--at"):
        parse_moment(text, NOW)
