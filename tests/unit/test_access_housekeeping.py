"""What is to become of objects whose owners end."""

from __future__ import annotations

from tagstream.api.housekeeping.decisions import (
    Fate,
    blocks,
    decide_dependent,
    is_empty_namespace_held,
    marked_deleted,
    without_finalizer,
    without_namespace_finalizers,
    without_owners,
)
from tagstream.store.housekeeping_reads import Owner


def body(*owners: str, block: bool = False) -> dict[str, object]:
    references = [{"uid": uid, "name": uid, "blockOwnerDeletion": block} for uid in owners]
    return {"metadata": {"name": "x", "ownerReferences": references}}


def test_an_object_stays_while_all_owners_exist() -> None:
    owners = [Owner("a", "team", False), Owner("b", "", False)]
    assert decide_dependent("team", ["a", "b"], owners).fate is Fate.KEEP


def test_an_object_without_owners_stays() -> None:
    assert decide_dependent("team", [], []).fate is Fate.KEEP


def test_an_object_goes_with_its_last_owner() -> None:
    assert decide_dependent("team", ["a"], []).fate is Fate.DELETE


def test_an_owner_in_another_namespace_is_no_owner() -> None:
    assert decide_dependent("team", ["a"], [Owner("a", "other", False)]).fate is Fate.DELETE


def test_an_owner_that_waits_for_its_dependents_is_no_owner() -> None:
    assert decide_dependent("team", ["a"], [Owner("a", "team", True)]).fate is Fate.DELETE


def test_an_object_stops_naming_owners_that_are_gone() -> None:
    decision = decide_dependent("team", ["a", "b"], [Owner("b", "team", False)])
    assert decision.fate is Fate.DETACH
    left = without_owners(body("a", "b"), decision.owners)
    assert [one["uid"] for one in left["metadata"]["ownerReferences"]] == ["b"]
    assert "ownerReferences" not in without_owners(body("a"), [])["metadata"]


def test_only_a_blocking_reference_blocks() -> None:
    assert blocks(body("a", block=True), "a")
    assert not blocks(body("a"), "a")
    assert not blocks(body("a", block=True), "b")


def test_bodies_are_never_changed_in_place() -> None:
    old = {"metadata": {"name": "x", "finalizers": ["a", "b"]}}
    assert without_finalizer(old, "a")["metadata"]["finalizers"] == ["b"]
    assert marked_deleted(old, "now")["metadata"]["deletionTimestamp"] == "now"
    assert old == {"metadata": {"name": "x", "finalizers": ["a", "b"]}}


def test_a_namespace_is_held_by_finalizers_of_others_only() -> None:
    ours = {"metadata": {}, "spec": {"finalizers": ["openshift.io/origin", "kubernetes"]}}
    theirs = {"metadata": {}, "spec": {"finalizers": ["kubernetes", "example.com/x"]}}
    assert not is_empty_namespace_held(without_namespace_finalizers(ours))
    assert is_empty_namespace_held(without_namespace_finalizers(theirs))
    assert is_empty_namespace_held({"metadata": {"finalizers": ["a/b"]}, "spec": {}})
