"""What the samples-manager decides: states, passes, skips, reverts, imports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.samples_world import (
    LATER,
    NOW,
    carry_out,
    change,
    library,
    settle,
    stream,
    truths,
    world,
)
from tagstream.samples_manager.actions import Reason, Verb
from tagstream.samples_manager.bootstrap import build_first_config, needs_promotion
from tagstream.samples_manager.conditions import ConditionType, Truth
from tagstream.samples_manager.config import State, parse_config, print_status
from tagstream.samples_manager.imports import decide_import_errors, follow_aliases
from tagstream.samples_manager.objects import MANAGED, RETRIED_AT, TAG_MAP, VERSION
from tagstream.samples_manager.reconcile import World, decide
from tagstream.samples_manager.samples import build_stream, rewrite_registry


@pytest.fixture
def installed() -> World:
    return settle(world())[0]


def test_managed_installs_everything_and_says_so(installed: World) -> None:
    assert set(installed.streams) == {"ruby", "php"}
    assert set(installed.templates) == {"shop"}
    for one in (*installed.streams.values(), *installed.templates.values()):
        assert one["metadata"]["labels"][MANAGED] == "true"
        assert one["metadata"]["annotations"][VERSION] == "1.0"
    assert truths(installed) == {
        "SamplesExist": "True",
        "ImportCredentialsExist": "True",
        "ConfigurationValid": "True",
        "ImageChangesInProgress": "False",
        "RemovePending": "False",
        "MigrationInProgress": "False",
        "ImportImageErrorsExist": "False",
    }
    status = installed.config.status
    assert (status.state, status.version, status.architectures) == ("Managed", "1.0", ("x86_64",))


def test_a_pass_is_announced_before_anything_is_written() -> None:
    plan = decide(world())
    assert plan.actions == ()
    assert plan.again
    progress = plan.status.conditions[ConditionType.IMAGE_CHANGES_IN_PROGRESS]
    assert (progress.status, progress.reason) == (Truth.TRUE, "NotInstalled")


def test_a_condition_keeps_its_time_until_its_status_changes(installed: World) -> None:
    plan = decide(replace(installed, now=LATER))
    assert print_status(plan.status) == print_status(installed.config.status)


def test_the_config_map_names_every_image_as_it_is_shipped(installed: World) -> None:
    _, done = settle(change(installed, samplesRegistry="mirror.lab.test:5000"))
    assert installed.config_maps[TAG_MAP]["data"]["ruby_1"] == "quay.io/samples/ruby:1"
    assert TAG_MAP not in {name for _, name, _ in done}


def test_a_deleted_sample_comes_back(installed: World) -> None:
    left = {"php": installed.streams["php"]}
    _, done = settle(replace(installed, streams=left))
    assert done == [("create", "ruby", Reason.MISSING)]


def edited(of: World, *, annotation: str | None) -> World:
    body = build_stream(stream("ruby", "mine"), None, registry="", version="1.0")
    if annotation is None:
        del body["metadata"]["annotations"][VERSION]
    return replace(of, streams={**of.streams, "ruby": body})


def test_an_edit_that_keeps_the_annotation_stays_until_the_next_full_pass(installed: World) -> None:
    changed = edited(installed, annotation="1.0")
    assert decide(changed).actions == ()
    after, done = settle(replace(changed, library=library(version="2.0")))
    assert ("replace", "ruby", Reason.NEW_VERSION) in done
    assert [tag["name"] for tag in after.streams["ruby"]["spec"]["tags"]] == ["1", "2", "mine"]


def test_without_the_annotation_a_sample_is_reverted_and_its_own_tags_stay(
    installed: World,
) -> None:
    after, done = settle(edited(installed, annotation=None))
    assert done == [("replace", "ruby", Reason.NOT_OF_THIS_VERSION)]
    assert [tag["name"] for tag in after.streams["ruby"]["spec"]["tags"]] == ["1", "2", "mine"]


def test_a_stream_of_somebody_else_is_never_touched(installed: World) -> None:
    before = replace(installed, streams={**installed.streams, "myapp": stream("myapp")})
    after, done = settle(change(before, managementState="Removed"))
    assert set(after.streams) == {"myapp"}
    assert "myapp" not in {name for _, name, _ in done}


def test_removed_takes_what_is_ours_and_leaves_the_list_of_images(installed: World) -> None:
    gone = change(installed, managementState="Removed")
    first = decide(gone)
    assert first.actions == ()
    assert first.status.of(ConditionType.REMOVE_PENDING) is Truth.TRUE
    after, _ = settle(gone)
    assert (after.streams, after.templates, set(after.config_maps)) == ({}, {}, {TAG_MAP})
    assert truths(after)["RemovePending"] == "False"
    assert after.config.status.architectures == ()
    assert after.config.status.state == "Removed"


def test_removed_needs_no_library(installed: World) -> None:
    broken = replace(installed, library="manifest.yaml: does not exist")
    after, _ = settle(change(broken, managementState="Removed"))
    assert after.streams == {}


def test_unmanaged_touches_nothing(installed: World) -> None:
    left = replace(change(installed, managementState="Unmanaged"), streams={}, config_maps={})
    after, done = settle(left)
    assert done == []
    assert after.config.status.state == "Unmanaged"
    again, done = settle(change(after, managementState="Managed"))
    assert set(again.streams) == {"ruby", "php"}
    assert ("create", "ruby", Reason.BECAME_MANAGED) in done


def test_a_skipped_sample_is_let_go_and_taken_back(installed: World) -> None:
    skipping = change(installed, skippedImagestreams=["ruby", "unknown"])
    after, done = settle(skipping)
    assert done == [("unmark", "ruby", Reason.SKIPPED)]
    assert after.config.status.skipped_streams == ("ruby", "unknown")
    gone = replace(after, streams={"php": after.streams["php"]})
    assert decide(gone).actions == ()
    back, done = settle(change(after, skippedImagestreams=[]))
    assert done == [("replace", "ruby", Reason.NOT_SKIPPED_ANY_MORE)]
    assert back.streams["ruby"]["metadata"]["labels"][MANAGED] == "true"


def test_a_skipped_sample_survives_removed(installed: World) -> None:
    skipped, _ = settle(change(installed, skippedImagestreams=["ruby"]))
    after, _ = settle(change(skipped, managementState="Removed"))
    assert set(after.streams) == {"ruby"}


def test_another_registry_rewrites_streams_and_leaves_templates(installed: World) -> None:
    after, done = settle(change(installed, samplesRegistry="mirror.lab.test:5000"))
    assert {name for _, name, _ in done} == {"php", "ruby"}
    sources = [tag["from"]["name"] for tag in after.streams["ruby"]["spec"]["tags"]]
    assert sources == [f"mirror.lab.test:5000/samples/ruby:{tag}" for tag in ("1", "2")]
    back, _ = settle(change(after, samplesRegistry=""))
    assert back.streams["ruby"]["spec"] == installed.streams["ruby"]["spec"]


@pytest.mark.parametrize(
    ("reference", "result"),
    [
        ("registry.redhat.io/ubi8/php-80:1", "m:5000/ubi8/php-80:1"),
        ("m:5000/ubi8/php-80:1", "m:5000/ubi8/php-80:1"),
        ("other.test/a/b:1", "m:5000/a/b:1"),
        ("ubi8/php-74", "m:5000/ubi8/php-74"),
        ("php", "m:5000/php"),
        ("registry.redhat.io/a/b/c:1", "m:5000/registry.redhat.io/a/b/c:1"),
    ],
)
def test_registries_are_rewritten_as_the_table_says(reference: str, result: str) -> None:
    assert rewrite_registry(reference, "m:5000") == result
    assert rewrite_registry(reference, "") == reference


def test_the_architecture_cannot_change_while_installed(installed: World) -> None:
    after, done = settle(change(installed, architectures=["ppc64le"]))
    assert done == []
    wrong = after.config.status.conditions[ConditionType.CONFIGURATION_VALID]
    assert wrong.message == "cannot change architectures from [x86_64] to [ppc64le]"
    assert (
        truths(settle(change(after, architectures=["x86_64"]))[0])["ConfigurationValid"] == "True"
    )
    removed, _ = settle(change(installed, managementState="Removed"))
    moved, _ = settle(change(removed, managementState="Managed", architectures=["s390x"]))
    assert moved.config.status.architectures == ("s390x",)


def test_an_unknown_architecture_stops_before_anything_is_installed() -> None:
    after, done = settle(world({"architectures": ["mips"]}))
    assert done == []
    message = after.config.status.conditions[ConditionType.CONFIGURATION_VALID].message
    assert message.startswith("architecture mips unsupported; only support x86_64,amd64,")


def test_an_unknown_state_means_managed_and_is_noted() -> None:
    after, _ = settle(world({"managementState": "Bogus"}))
    noted = after.config.status.conditions[ConditionType.CONFIGURATION_VALID]
    assert noted.status is Truth.TRUE
    assert noted.message == "Unexpected management state Bogus received, switching to Managed"
    assert set(after.streams) == {"ruby", "php"}


def test_a_broken_library_changes_nothing_and_is_told(installed: World) -> None:
    after, done = settle(replace(installed, library="a.yaml: bad YAML"))
    assert done == []
    assert after.streams == installed.streams
    told = after.config.status.conditions[ConditionType.SAMPLES_EXIST]
    assert (told.status, told.reason, told.message) == (
        Truth.UNKNOWN,
        "FileSystemError",
        "a.yaml: bad YAML. The installed samples stay as they are",
    )
    assert truths(settle(replace(after, library=library()))[0])["SamplesExist"] == "True"


def test_a_library_that_lost_nine_tenths_is_refused_unless_it_means_it() -> None:
    many = [stream(f"s{number}") for number in range(29)]
    before, _ = settle(world(library=library(*many)))
    few = library(stream("s0"), stream("s1"), version="2.0")
    after, done = settle(replace(before, library=few))
    assert done == []
    assert "has only 3 of the 30 samples" in (
        after.config.status.conditions[ConditionType.SAMPLES_EXIST].message
    )
    meant = replace(few, may_shrink=True)
    agreed, _ = settle(replace(after, library=meant))
    assert agreed.config.status.version == "2.0"
    assert "s5" in agreed.streams


def test_a_deleted_config_takes_its_samples_along_and_then_goes(installed: World) -> None:
    body = dict(installed.config.body)
    body["metadata"] = body["metadata"] | {"deletionTimestamp": "2026-11-23T12:00:00Z"}
    deleted = replace(installed, config=parse_config(body, NOW))
    first = decide(deleted)
    assert {action.reason for action in first.actions} == {Reason.CONFIG_DELETED}
    assert first.finalizers is None
    second = decide(carry_out(deleted, first))
    assert (second.actions, second.finalizers) == ((), ())


def test_a_config_of_somebody_gets_the_finalizer_first() -> None:
    start = world()
    config = replace(start.config, finalizers=("other",))
    plan = decide(replace(start, config=config))
    assert plan.finalizers == ("other", "samples.operator.openshift.io/finalizer")


def failing(of: World, *tags: str, generation: int = 1) -> World:
    histories = [
        {
            "tag": tag,
            "conditions": [
                {
                    "type": "ImportSuccess",
                    "status": "False",
                    "message": "no route",
                    "generation": generation,
                }
            ],
        }
        for tag in tags
    ]
    body = {**of.streams["ruby"], "status": {"tags": histories}}
    return replace(of, streams={**of.streams, "ruby": body})


def test_a_failing_import_is_told_and_retried_at_once(installed: World) -> None:
    before = failing(installed, "1")
    plan = decide(before)
    assert [(a.verb, a.name, a.body["data"]) for a in plan.actions] == [
        (Verb.CREATE, "ruby", {"1": "no route"})
    ]
    assert [retry["spec"]["images"][0]["to"]["name"] for retry in plan.retries] == ["1"]
    condition = plan.status.conditions[ConditionType.IMPORT_IMAGE_ERRORS_EXIST]
    assert (condition.status, condition.reason) == (Truth.TRUE, "ruby")
    assert "openshift-cluster-samples-operator" in condition.message
    after = carry_out(before, plan)
    assert decide(after).retries == ()
    minutes = timedelta(minutes=11)
    assert len(decide(replace(after, now=NOW + minutes)).retries) == 1


def test_a_recovered_import_clears_everything(installed: World) -> None:
    broken = carry_out(failing(installed, "1"), decide(failing(installed, "1")))
    mended = replace(broken, streams=installed.streams)
    after, done = settle(mended)
    assert done == [("delete", "ruby", Reason.IMPORTS_RECOVERED)]
    assert truths(after)["ImportImageErrorsExist"] == "False"


def test_a_failing_stream_that_is_skipped_is_forgotten(installed: World) -> None:
    broken = carry_out(failing(installed, "1"), decide(failing(installed, "1")))
    after, done = settle(change(broken, skippedImagestreams=["ruby"]))
    assert ("delete", "ruby", Reason.IMPORTS_RECOVERED) in done
    assert truths(after)["ImportImageErrorsExist"] == "False"


def test_a_retry_copies_the_policy_of_the_tag_and_follows_aliases() -> None:
    body = build_stream(stream("ruby", "1"), None, registry="", version="1")
    body["spec"]["tags"][0]["importPolicy"] = {"insecure": True}
    body["spec"]["tags"].append({"name": "latest", "from": alias("ruby:1")})
    body["status"] = failing_status("latest", "1")
    found = decide_import_errors(body, None, NOW)
    assert found.retry is not None
    images = {image["to"]["name"]: image for image in found.retry["spec"]["images"]}
    assert images["latest"]["from"]["name"] == "quay.io/samples/ruby:1"
    assert images["1"]["importPolicy"] == {"insecure": True}
    assert images["1"]["referencePolicy"] == {"type": "Local"}
    assert found.config_map is not None
    assert found.config_map["metadata"]["annotations"][RETRIED_AT] == "2026-11-23T12:00:00Z"


def failing_status(*tags: str) -> dict[str, Any]:
    failed = {"type": "ImportSuccess", "status": "False", "generation": 2}
    return {"tags": [{"tag": tag, "conditions": [failed]} for tag in tags]}


def alias(name: str) -> dict[str, str]:
    return {"kind": "ImageStreamTag", "name": name}


def test_aliases_that_lead_nowhere_are_noticed() -> None:
    declared: Iterable[tuple[str, dict[str, Any]]] = [
        ("a", {"from": alias("b")}),
        ("b", {"from": alias("ruby:a")}),
        ("c", {"from": alias("gone")}),
    ]
    assert [follow_aliases(dict(declared), tag, "ruby") for tag in "abc"] == [None, None, None]


@pytest.mark.parametrize(
    ("wished", "machine", "state", "architecture"),
    [
        (State.MANAGED, "x86_64", "Managed", "x86_64"),
        (State.MANAGED, "aarch64", "Managed", "arm64"),
        (State.REMOVED, "x86_64", "Removed", "x86_64"),
        (State.MANAGED, "riscv64", "Removed", "riscv64"),
    ],
)
def test_the_first_config_is_what_was_asked_for_where_it_can_be(
    wished: State, machine: str, state: str, architecture: str
) -> None:
    spec = build_first_config(wished, machine)["spec"]
    assert spec == {"managementState": state, "architectures": [architecture]}


def test_only_a_config_that_nobody_has_touched_is_promoted() -> None:
    body = build_first_config(State.REMOVED, "x86_64")
    body["metadata"]["generation"] = 1
    assert needs_promotion(parse_config(body, NOW), State.MANAGED)
    assert not needs_promotion(parse_config(body, NOW), State.REMOVED)
    body["metadata"]["generation"] = 2
    assert not needs_promotion(parse_config(body, NOW), State.MANAGED)
