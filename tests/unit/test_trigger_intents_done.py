"""When a workload shows that a patch which was noted for it was made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tagstream.store.trigger_intents import PatchedState, StoredIntent
from tagstream.trigger_dispatcher.intents import is_done
from tagstream.trigger_dispatcher.matching import Workload, WorkloadKey
from tagstream.trigger_dispatcher.targets import Container

KEY = ("main", "apps/v1", "Deployment", "shop", "web")
STATE = PatchedState(KEY, "uid", "4", generation=4)
INTENT = StoredIntent(
    "1",
    STATE,
    datetime(2026, 11, 23, tzinfo=UTC),
    {
        "images": [
            ["initContainers", "a", "other"],
            ["containers", "b", "old"],
            ["containers", "a", "new"],
        ]
    },
)
CONTAINERS = (
    Container("initContainers", 0, "a", "other"),
    Container("containers", 0, "b", "old"),
    Container("containers", 1, "a", "new"),
)
DONE = Workload(WorkloadKey(*KEY), "uid", "9", None, CONTAINERS, generation=5)


def test_a_later_generation_with_all_its_images_shows_it() -> None:
    assert is_done(INTENT, DONE)
    assert is_done(INTENT, replace(DONE, generation=7))


@pytest.mark.parametrize("generation", [3, 4])
def test_what_is_not_later_shows_nothing(generation: int) -> None:
    assert not is_done(INTENT, replace(DONE, generation=generation))


def test_a_cluster_without_generations_shows_it_by_images() -> None:
    uncounted = replace(INTENT, state=replace(STATE, base="version 9", generation=0))
    assert is_done(uncounted, replace(DONE, generation=0))


@pytest.mark.parametrize("other", range(3))
def test_every_image_counts(other: int) -> None:
    containers = tuple(
        replace(one, image="another") if n == other else one for n, one in enumerate(CONTAINERS)
    )
    assert not is_done(INTENT, replace(DONE, containers=containers))


def test_another_workload_of_that_name_shows_nothing() -> None:
    assert not is_done(INTENT, replace(DONE, uid="another"))


def test_who_was_overtaken_has_done_nothing() -> None:
    assert not is_done(replace(INTENT, is_overtaken=True), DONE)
