"""From the stored items of a tag to its moves, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fakes.streams import at, digest, pull_spec
from tagstream.store.tag_moves import (
    PRUNE,
    Act,
    Departure,
    HistoryItem,
    Move,
    MoveKind,
    find_meaning,
    list_moves,
)

SECONDS_A_STEP = 10


def act(step: int, kind: str = "imagestreamtag.put", actor: str = "jane") -> Act:
    """The command that came as number `step`."""
    return Act(f"c{step}", 1000 + step, at(step * SECONDS_A_STEP), kind, actor, "oc")


def trimmed(one: Act) -> Act:
    """What is left of a command after a month."""
    return Act(one.command)


def item(
    seq: int, image: str, step: int | None = None, *, retired: Act | None = None
) -> HistoryItem:
    made = act(seq if step is None else step)
    created = made.at or at(0)
    return HistoryItem(
        "uid", seq, created, digest(image), pull_spec(image), seq, made=made, retired=retired
    )


def told(moves: list[Move]) -> list[tuple[str, str, str]]:
    """Of each move its kind and the images, by the short names of this test."""
    names = {digest(name): name for name in "abcdef"}
    return [
        (
            str(move.kind),
            names[move.old.image] if move.old else "",
            names[move.new.image] if move.new else "",
        )
        for move in moves
    ]


def test_each_item_is_a_move_from_the_one_below_it() -> None:
    moves = list_moves([item(3, "c"), item(2, "b"), item(1, "a")])
    assert told(moves) == [("moved", "b", "c"), ("moved", "a", "b"), ("set", "", "a")]
    newest = moves[0]
    assert (newest.at, newest.is_exact) == (at(30), True)
    assert (newest.actor, newest.cause, newest.command) == ("jane", "oc", "c3")


def test_going_back_to_an_image_is_a_roll_back() -> None:
    moves = list_moves([item(3, "a"), item(2, "b"), item(1, "a")])
    assert told(moves)[0] == ("rolled back", "b", "a")


def test_an_item_replaced_in_place_is_corrected() -> None:
    below = item(1, "a", retired=act(2))
    above = replace(item(2, "a"), created=below.created, reference="elsewhere/app:1")
    moves = list_moves([above, below])
    assert told(moves) == [("corrected", "a", "a"), ("set", "", "a")]
    assert moves[1].departure is Departure.REPLACED


def test_a_deleted_tag_means_nothing_until_it_is_set_again() -> None:
    gone = act(3, "imagestreamtag.delete", "eve")
    moves = list_moves(
        [item(3, "a", 4), item(2, "b", retired=gone), item(1, "a", retired=gone)],
    )
    assert told(moves) == [
        ("set", "", "a"),
        ("tag deleted", "b", ""),
        ("moved", "a", "b"),
        ("set", "", "a"),
    ]
    assert (moves[1].actor, moves[1].at) == ("eve", at(30))
    assert [move.departure for move in moves[2:]] == [Departure.TAG_DELETED] * 2


def test_pruned_items_move_nothing() -> None:
    pruned = act(5, PRUNE)
    moves = list_moves([item(3, "c"), item(2, "b", retired=pruned), item(1, "a", retired=pruned)])
    assert told(moves) == [("moved", "b", "c"), ("moved", "a", "b"), ("set", "", "a")]
    assert [move.departure for move in moves] == [None, Departure.PRUNED, Departure.PRUNED]


def test_a_tag_whose_last_item_is_pruned_means_nothing() -> None:
    moves = list_moves([item(1, "a", retired=act(2, PRUNE))])
    assert told(moves) == [("pruned", "a", ""), ("set", "", "a")]


def test_a_deleted_stream_takes_its_tags_along() -> None:
    gone = act(4, "imagestream.update")
    moves = list_moves([item(2, "b", retired=gone), item(1, "a", retired=gone)], deleted_after=1003)
    assert told(moves)[0] == ("stream deleted", "b", "")


def test_a_tag_deleted_before_its_stream_was_deleted_by_itself() -> None:
    gone = act(3, "imagestream.update")
    moves = list_moves([item(1, "a", retired=gone)], deleted_after=1003)
    assert told(moves)[0] == ("tag deleted", "a", "")


def test_a_head_taken_away_uncovers_the_item_below() -> None:
    moves = list_moves([item(2, "b", retired=act(3)), item(1, "a")])
    assert told(moves)[0] == ("uncovered", "b", "a")
    assert moves[0].item.image == digest("b")
    assert moves[1].departure is Departure.REMOVED


def test_several_items_of_one_command_are_one_move() -> None:
    moves = list_moves([item(3, "c", 2), item(2, "b", 2), item(1, "a")])
    assert told(moves) == [("moved", "a", "c"), ("set", "", "a")]


def test_a_move_without_its_command_is_dated_by_its_image_and_by_what_came_before() -> None:
    below = replace(item(1, "a"), made=trimmed(act(1)))
    copied = replace(item(2, "b"), created=at(-500), made=trimmed(act(2)))
    moves = list_moves([copied, below])
    assert [(move.at, move.is_exact) for move in moves] == [(at(10), False), (at(10), False)]


def test_a_deletion_that_nobody_dates_came_before_everything_that_is_dated() -> None:
    gone = trimmed(act(2))
    old = replace(item(1, "a", retired=gone), made=trimmed(act(1)))
    moves = list_moves([item(2, "b", 3), old])
    assert told(moves) == [("set", "", "b"), ("gone", "a", ""), ("set", "", "a")]
    assert moves[1].at is None
    assert moves[2].departure is Departure.REMOVED


def test_items_that_left_at_an_unknown_time_do_not_invent_a_deletion() -> None:
    gone = trimmed(act(9))
    old = [replace(item(n, "ab"[n % 2]), made=trimmed(act(n))) for n in (4, 3, 2, 1)]
    pruned = [one if one.seq > 2 else replace(one, retired=gone) for one in old]
    assert MoveKind.GONE not in [move.kind for move in list_moves(pruned)]


def test_a_moment_is_answered_by_the_last_move_up_to_it() -> None:
    newest, middle, oldest = moves = list_moves([item(3, "c"), item(2, "b"), item(1, "a")])
    assert find_meaning(moves, at(29)) == (middle, newest)
    assert find_meaning(moves, at(30)) == (newest, None)
    assert find_meaning(moves, at(9)) == (None, oldest)


# What may happen to a tag, with the stack that it leaves: the model that moves are compared with.
_DEEDS = st.lists(
    st.one_of(
        st.sampled_from("abc").map(lambda image: ("push", image)),
        st.just(("delete", "")),
        st.just(("prune", "")),
        st.just(("pop", "")),
    ),
    max_size=25,
)


def _play(deeds: list[tuple[str, str]]) -> tuple[list[HistoryItem], list[tuple[datetime, str]]]:
    """The rows that deeds leave, newest first, and what the tag meant after each deed."""
    rows: list[HistoryItem] = []
    heads: list[tuple[datetime, str]] = []
    for step, (deed, image) in enumerate(deeds, start=1):
        live = [row for row in rows if row.retired is None]
        if deed == "push":
            rows.append(item(len(rows) + 1, image, step))
        gone = {"delete": live, "prune": live[:-1], "pop": live[-1:]}.get(deed, [])
        kind = PRUNE if deed == "prune" else deed
        marks = {row.seq: replace(row, retired=act(step, kind)) for row in gone}
        rows = [marks.get(row.seq, row) for row in rows]
        live = [row for row in rows if row.retired is None]
        heads.append((at(step * SECONDS_A_STEP), live[-1].image if live else ""))
    return rows[::-1], heads


@given(_DEEDS)
def test_moves_tell_what_the_tag_meant_at_every_moment(deeds: list[tuple[str, str]]) -> None:
    rows, heads = _play(deeds)
    moves = list_moves(rows)
    for moment, image in heads:
        since, _ = find_meaning(moves, moment)
        assert (since.new.image if since and since.new else "") == image
    for newer, older in pairwise(moves):
        assert newer.old == older.new
    assert all(move.old is not move.new for move in moves)
