"""When a workload shows that a patch which was noted for it was made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tagstream.store.trigger_intents import StoredIntent
from tagstream.trigger_dispatcher.intents import is_done
from tagstream.trigger_dispatcher.matching import Workload, WorkloadKey
from tagstream.trigger_dispatcher.targets import Container

KEY = ("main", "apps/v1", "Deployment", "shop", "web")
INTENT = StoredIntent(
    "1",
    KEY,
    "uid",
    generation=4,
    at=datetime(2026, 11, 23, tzinfo=UTC),
    body={"images": [["containers", "a", "new"], ["initContainers", "a", "other"]]},
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
    assert is_done(replace(INTENT, generation=0), replace(DONE, generation=0))


@pytest.mark.parametrize("gone", range(3))
def test_every_image_counts_and_no_other(gone: int) -> None:
    left = tuple(one for n, one in enumerate(CONTAINERS) if n != gone)
    assert is_done(INTENT, replace(DONE, containers=left)) is (CONTAINERS[gone].image == "old")


def test_another_workload_of_that_name_shows_nothing() -> None:
    assert not is_done(INTENT, replace(DONE, uid="another"))


def test_a_patch_of_a_later_generation_shows_that_this_one_was_never_made() -> None:
    assert not is_done(replace(INTENT, is_overtaken=True), DONE)
