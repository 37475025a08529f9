"""The books of the soak: what they must notice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

# Beside `tests`, not in it: run with `python -m bench.soak` otherwise.
sys.path.append(str(Path(__file__).parents[2]))

from bench.soak.audit import (
    Finding,
    Stored,
    compare_churn,
    compare_events,
    compare_moves,
    compare_patches,
)
from bench.soak.memory import Memory

from fakes.outside_subscriber import Heard, Subscriber, hash_data

CHANGED, DELETED = "dev.tagstream.tag.changed.v1", "dev.tagstream.tag.deleted.v1"
FIRED = "dev.tagstream.trigger.fired.v1"
Facts = list[tuple[str, str, dict[str, Any]]]


def changed(*images: str) -> Facts:
    return [
        (
            f"id-{number}-{image}",
            CHANGED,
            {
                "namespace": "shop",
                "stream": "app",
                "streamUid": "u",
                "tag": "1",
                "newImage": image,
                "newPullSpec": image,
            },
        )
        for number, image in enumerate(images)
    ]


def fired(*images: str) -> Facts:
    common = {"workloadNamespace": "shop", "workloadName": "app-1"}
    return [(f"f-{i}", FIRED, {**common, "newPullSpec": i}) for i in images]


@pytest.mark.parametrize("items", [["a"], ["a", "b", "b"], ["b", "a"], []])
def test_history_that_differs_from_what_was_told_is_noticed(items: Sequence[str]) -> None:
    assert compare_moves(Stored(changed("a", "b"), {("u", "1"): items})).wrong
    assert not compare_moves(Stored(changed("a", "b"), {("u", "1"): ["a", "b"]})).wrong


def test_a_stream_that_came_and_went_has_told_everything_once() -> None:
    facts = [*changed("a", "b"), ("d", DELETED, {"stream": "app"})]
    assert not compare_churn({"app": ["a", "b"]}, {"app"}, facts).wrong
    assert compare_churn({"app": ["a", "b"]}, set(), facts).wrong
    assert compare_churn({"app": ["a"]}, {"app"}, facts).wrong
    assert compare_churn({"app": ["a", "b"]}, {"app"}, facts[:2]).wrong


def listener(facts: Facts) -> Subscriber:
    subscriber = Subscriber("nats://nowhere")
    subscriber.events = {one: Heard(kind, b"", hash_data(data)) for one, kind, data in facts}
    subscriber.deliveries = len(facts)
    return subscriber


def test_events_lost_made_up_or_changed_on_the_way_are_noticed() -> None:
    facts = changed("a", "b")
    assert not compared(facts, facts).wrong
    assert "was not heard" in compared(facts, facts[:1]).detail
    assert "is no fact" in compared(facts[:1], facts).detail
    other = [(facts[0][0], CHANGED, {"newImage": "c"}), facts[1]]
    assert "differs" in compared(facts, other).detail


def test_an_event_that_is_heard_after_the_facts_were_read_is_nothing_wrong() -> None:
    facts = changed("a", "b")
    before = listener(facts[:1]).events
    assert not compare_events(facts[:1], before, listener(facts)).wrong


def compared(facts: Facts, heard: Facts) -> Finding:
    return compare_events(facts, listener(heard).events, listener(heard))


@pytest.mark.parametrize(
    ("versions", "told", "is_right"),
    [
        (["", "a", "b"], ["a", "b"], True),
        (["", "b"], ["b"], True),
        (["", "a", "a", "b"], ["b", "a"], True),
        (["", "a", "b"], ["a"], False),
        (["", "b", "a"], ["b"], False),
        (["", "a", "b", "a", "b"], ["a", "b"], False),
        (["", "a", "b"], ["a", "b", "b"], False),
    ],
)
def test_patches_follow_the_moves_and_are_told_once(
    versions: Sequence[str], told: Sequence[str], is_right: bool
) -> None:
    facts = [*changed("a", "b"), *fired(*told)]
    assert (not compare_patches({"app-1": versions}, facts, "shop").wrong) is is_right


@pytest.mark.parametrize(("growth_mib", "is_flat"), [(0.0, True), (0.05, True), (1.0, False)])
def test_memory_that_grows_is_noticed(growth_mib: float, is_flat: bool) -> None:
    memory = Memory()
    memory.samples["api"] = [(10.0 * n, 60 + growth_mib * n) for n in range(40)]
    (trend,) = memory.trends()
    assert trend.is_flat is is_flat
    assert trend.slope == pytest.approx(growth_mib * 6)
