"""What the ClusterOperator `openshift-samples` says in each state, and the metrics beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.samples_world import LATER, NOW, carry_out, change, settle, world
from tagstream.samples_manager.cluster_operator import Seen, build_operator_status
from tagstream.samples_manager.config import State
from tagstream.samples_manager.reconcile import Plan, World, decide
from tagstream.samples_manager.reporting import put_metrics, put_no_metrics
from tagstream.telemetry import metrics, names

Told = dict[str, tuple[str, str]]


def seen(of: World, plan: Plan | None = None) -> Seen:
    plan = plan or decide(of)
    return Seen(of.config, plan.status, "1.0", plan.asked_at)


def told(of: World, plan: Plan | None = None) -> Told:
    """Status and reason of each condition."""
    listed = build_operator_status(seen(of, plan), {}, NOW)["conditions"]
    return {one["type"]: (one["status"], one.get("reason", "")) for one in listed}


def message(of: World, kind: str, plan: Plan | None = None) -> str:
    listed = build_operator_status(seen(of, plan), {}, NOW)["conditions"]
    return str(next(one["message"] for one in listed if one["type"] == kind))


def expect(available: Any, progressing: Any, degraded: Any) -> Told:
    return {"Available": available, "Progressing": progressing, "Degraded": degraded}


NO, YES = ("False", ""), ("True", "")


@pytest.fixture
def installed() -> World:
    return settle(world())[0]


def failing(of: World) -> World:
    failed = {"type": "ImportSuccess", "status": "False", "generation": 2, "message": "no route"}
    status = {"tags": [{"tag": "1", "conditions": [failed]}]}
    return replace(of, streams={**of.streams, "ruby": {**of.streams["ruby"], "status": status}})


def test_all_is_well_once_the_samples_are_installed(installed: World) -> None:
    assert told(installed) == expect(YES, NO, NO)
    assert message(installed, "Available") == "Samples installation successful at 1.0"


def test_a_pass_is_progress(installed: World) -> None:
    announced = carry_out(world(), decide(world()))
    plan = decide(world())
    assert told(announced, plan) == expect(("False", "SampleUpsertsPending"), YES, NO)
    assert message(announced, "Progressing", plan) == "Samples processing to 1.0"


def test_failing_imports_make_it_neither_degraded_nor_unavailable(installed: World) -> None:
    broken = failing(installed)
    assert told(broken) == expect(YES, ("False", "FailedImageImports"), NO)
    said = message(broken, "Progressing")
    assert "ruby" in said
    assert "last import attempt 2026-11-23T12:00:00Z" in said


def test_a_wrong_config_degrades_it(installed: World) -> None:
    wrong = change(installed, architectures=["ppc64le"])
    bad = ("True", "InvalidConfiguration")
    assert told(wrong) == expect(YES, bad, bad)
    assert message(wrong, "Degraded") == (
        "Samples installation in error at 1.0: cannot change architectures from [x86_64] to "
        "[ppc64le]"
    )
    assert told(change(wrong, architectures=["x86_64"])) == expect(YES, NO, NO)


def test_a_broken_library_degrades_it_with_the_reason_of_the_condition(installed: World) -> None:
    bad = ("True", "FileSystemError")
    broken = replace(installed, library="a.yaml: bad YAML")
    assert told(broken) == expect(("False", "SampleUpsertsPending"), bad, bad)


def test_removing_is_progress_and_removed_is_available(installed: World) -> None:
    start = change(installed, managementState="Removed")
    plan = decide(start)
    assert told(carry_out(start, plan), plan)["Progressing"] == YES
    assert message(start, "Progressing", plan) == "Deleting samples at 1.0"
    removed = settle(start)[0]
    assert told(removed) == expect(("True", "CurrentlyRemoved"), NO, NO)


def test_unmanaged_is_available_whatever_was_wrong(installed: World) -> None:
    left = settle(change(failing(installed), managementState="Unmanaged"))[0]
    assert told(left) == expect(("True", "CurrentlyUnmanaged"), NO, NO)
    broken = settle(replace(installed, library="a.yaml: bad YAML"))[0]
    left = settle(change(broken, managementState="Unmanaged"))[0]
    assert told(left) == expect(("True", "CurrentlyUnmanaged"), NO, NO)


def test_a_machine_without_samples_says_so() -> None:
    start = world({"managementState": State.REMOVED.value, "architectures": ["riscv64"]})
    why = "UnsupportHWArchitecture"
    assert told(settle(start)[0]) == expect(("True", why), NO, ("False", why))


def test_a_deleted_config_is_progress(installed: World) -> None:
    config = replace(installed.config, is_deleted=True)
    assert told(replace(installed, config=config))["Progressing"] == ("True", "DeletionInProgress")


def test_a_condition_keeps_its_time_while_its_status_stays(installed: World) -> None:
    first = build_operator_status(seen(installed), {}, NOW)
    assert build_operator_status(seen(installed), first, LATER) == first
    wrong = change(installed, architectures=["mips"])
    times = {
        one["type"]: one["lastTransitionTime"]
        for one in build_operator_status(seen(wrong), first, LATER)["conditions"]
    }
    assert times["Available"] == "2026-11-23T12:00:00Z"
    assert times["Degraded"] == "2026-11-23T13:00:00Z"


def test_it_names_the_version_and_what_to_look_at(installed: World) -> None:
    status = build_operator_status(seen(installed), {}, NOW)
    assert status["versions"] == [{"name": "operator", "version": "1.0"}]
    assert [one["resource"] for one in status["relatedObjects"]] == [
        "configs",
        "namespaces",
        "templates",
        "imagestreams",
    ]


def shown() -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("openshift_samples_")]
    return {name: float(value) for name, _, value in found}


def test_every_stream_has_a_gauge_while_the_samples_are_managed(installed: World) -> None:
    failed = names.SAMPLES_FAILED.name
    put_metrics(seen(failing(installed)), installed.library, is_failing=False)
    assert shown()[f'{failed}{{name="ruby"}}'] == 1
    assert shown()[f'{failed}{{name="php"}}'] == 0
    removed = settle(change(installed, managementState="Removed"))[0]
    put_metrics(seen(removed), removed.library, is_failing=False)
    assert not any(name.startswith(failed) for name in shown())


def test_a_wrong_config_is_counted_until_somebody_else_looks(installed: World) -> None:
    wrong = change(installed, architectures=["mips"])
    put_metrics(seen(wrong), wrong.library, is_failing=True)
    assert shown()[names.SAMPLES_INVALID.name] == shown()[names.SAMPLES_DEGRADED.name] == 1
    put_no_metrics()
    assert shown()[names.SAMPLES_INVALID.name] == shown()[names.SAMPLES_DEGRADED.name] == 0
