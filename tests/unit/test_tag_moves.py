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
    STATUS,
    Act,
    Departure,
    HistoryItem,
    Move,
    find_meaning,
    list_moves,
)

SECONDS_A_STEP = 10


def act(step: int, kind: str = "imagestreamtag.put", actor: str = "jane") -> Act:
    """The command that came as number `step`."""
    return Act(f"c{step}", 1000 + step, at(step * SECONDS_A_STEP), kind, actor, "oc")


def item(
    seq: int, image: str, step: int | None = None, *, retired: Act | None = None
) -> HistoryItem:
    made = act(seq if step is None else step)
    return HistoryItem(
        "uid", seq, made.at, digest(image), pull_spec(image), seq, made=made, retired=retired
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
    assert newest.at == at(30)
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


def test_whoever_takes_items_out_of_the_status_is_not_said_to_have_deleted_the_tag() -> None:
    emptied = act(3, STATUS, "eve")
    moves = list_moves([item(2, "b", retired=emptied), item(1, "a", retired=emptied)])
    assert told(moves) == [("removed", "b", ""), ("moved", "a", "b"), ("set", "", "a")]
    assert (moves[0].actor, moves[0].at) == ("eve", at(30))
    assert moves[1].departure is Departure.REMOVED
    below = list_moves([item(2, "b"), item(1, "a", retired=emptied)])
    assert told(below) == [("moved", "a", "b"), ("set", "", "a")]
    assert [move.departure for move in below] == [None, Departure.REMOVED]


def test_deletions_between_items_stand_where_they_were_committed() -> None:
    first, second = act(2, "imagestreamtag.delete"), act(4, "imagestreamtag.delete")
    moves = list_moves(
        [item(3, "c", 5), item(2, "b", 3, retired=second), item(1, "a", retired=first)]
    )
    assert told(moves) == [
        ("set", "", "c"),
        ("tag deleted", "b", ""),
        ("set", "", "b"),
        ("tag deleted", "a", ""),
        ("set", "", "a"),
    ]


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
