"""Deciding what a workload needs (spec/triggers-lookup-pruning.md A5 to A9)."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tagstream.trigger_dispatcher.annotation import TRIGGERS_ANNOTATION
from tagstream.trigger_dispatcher.index import from_index, is_paused, is_same, to_index
from tagstream.trigger_dispatcher.matching import (
    Failure,
    FailureReason,
    Reaction,
    StreamTag,
    Workload,
    decide_reaction,
    list_followings,
    needs_reaction,
    parse_workload,
)

BASE = "spec.template.spec"
APP1, APP2 = StreamTag("shop", "app", "1"), StreamTag("shop", "app", "2")
D1, D2 = "reg/app@sha256:1", "reg/app@sha256:2"


def trigger(path: str = "containers[0].image", name: str = "app:1", **more: object) -> object:
    source: dict[str, object] = {"kind": "ImageStreamTag", "name": name}
    source |= {k: more.pop(k) for k in ("kind", "namespace", "apiVersion") if k in more}
    return {"from": source, "fieldPath": f"{BASE}.{path}", **more}


def deployment(
    *triggers: object,
    text: str | None = None,
    images: Sequence[str] = (" ", "side"),
    kind: tuple[str, str] = ("apps/v1", "Deployment"),
    **extra: object,
) -> Workload:
    annotation = json.dumps(triggers) if text is None else text
    return parse_workload(
        "main",
        {
            "apiVersion": kind[0],
            "kind": kind[1],
            "metadata": {
                "namespace": "shop",
                "name": "web",
                "uid": "u1",
                "resourceVersion": "7",
                "annotations": {TRIGGERS_ANNOTATION: annotation},
            },
            "spec": {
                "template": {
                    "spec": {
                        "initContainers": [{"name": "init", "image": "old-init"}],
                        "containers": [
                            {"name": f"c{n}", "image": image} for n, image in enumerate(images)
                        ],
                    }
                },
                **extra,
            },
        },
    )


def images_set(decision: Reaction | Failure | None) -> dict[str, str]:
    assert isinstance(decision, Reaction)
    return {change.image.container: change.image.new_image for change in decision.changes}


def test_one_guarded_patch_sets_the_image() -> None:
    workload = deployment(trigger())
    decision = decide_reaction(workload, {APP1: D1})
    assert isinstance(decision, Reaction)
    assert list(decision.patch) == [
        {
            "op": "test",
            "path": "/metadata/annotations/image.openshift.io~1triggers",
            "value": workload.annotation,
        },
        {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "c0"},
        {"op": "test", "path": "/spec/template/spec/containers/0/image", "value": " "},
        {"op": "add", "path": "/spec/template/spec/containers/0/image", "value": D1},
    ]


def test_nothing_to_do_when_the_image_is_there() -> None:
    assert decide_reaction(deployment(trigger(), images=[D1]), {APP1: D1}) is None


@pytest.mark.parametrize(
    "entry",
    [
        trigger(paused=True),
        trigger(name="app"),
        trigger(name=":1"),
        trigger(kind="DockerImage"),
        trigger(apiVersion="image.openshift.io/v1"),
        trigger(name="app:9"),
        trigger(name="missing:1"),
        {
            "from": {"kind": "ImageStreamTag", "name": "app:1"},
            "fieldPath": "spec.containers[0].image",
        },
        trigger("containers[9].image", name="app:9"),
    ],
)
def test_triggers_that_do_nothing(entry: object) -> None:
    assert decide_reaction(deployment(entry), {APP1: D1}) is None


def test_an_empty_tag_means_latest() -> None:
    latest = StreamTag("shop", "app", "latest")
    assert images_set(decide_reaction(deployment(trigger(name="app:")), {latest: D1})) == {"c0": D1}


def test_a_tag_splits_at_the_first_colon_and_may_lie_in_another_namespace() -> None:
    (following,) = list_followings(deployment(trigger(name="app:1:2", namespace="other")))
    assert following.source == StreamTag("other", "app", "1:2")


def test_an_unresolved_tag_does_not_hold_up_the_others() -> None:
    workload = deployment(trigger(), trigger("containers[1].image", name="app:9"))
    assert images_set(decide_reaction(workload, {APP1: D1})) == {"c0": D1}


def test_a_bad_path_discards_everything() -> None:
    workload = deployment(trigger(), trigger("containers[5].image", name="app:2"))
    assert decide_reaction(workload, {APP1: D1, APP2: D2}) == Failure(
        FailureReason.INVALID_FIELD_PATH,
        f"no such container: {BASE}.containers[5].image",
        APP2,
        f"{BASE}.containers[5].image",
    )
    assert images_set(decide_reaction(workload, {APP1: D1})) == {"c0": D1}


@pytest.mark.parametrize("text", ["{not json", '[{"paused":"true"}]'])
def test_an_invalid_annotation_is_a_failure(text: str) -> None:
    decision = decide_reaction(deployment(text=text), {})
    assert isinstance(decision, Failure)
    assert decision.reason is FailureReason.INVALID_ANNOTATION


def test_the_last_trigger_of_a_container_wins_without_endless_writes() -> None:
    by_name = 'containers[?(@.name=="c0")].image'
    triggers = (trigger(), trigger(by_name, name="app:2"))
    resolved = {APP1: D1, APP2: D2}
    assert images_set(decide_reaction(deployment(*triggers), resolved)) == {"c0": D2}
    assert decide_reaction(deployment(*triggers, images=[D2]), resolved) is None


def test_init_containers_follow_too() -> None:
    for path in ("initContainers[0].image", 'containers[?(@.name=="init")].image'):
        decision = decide_reaction(deployment(trigger(path)), {APP1: D1})
        assert images_set(decision) == {"init": D1}


def test_a_cron_job_is_patched_in_its_job_template() -> None:
    pod_spec = {"containers": [{"name": "job", "image": "x"}]}
    workload = deployment(
        {
            "from": {"kind": "ImageStreamTag", "name": "app:1"},
            "fieldPath": "spec.jobTemplate.spec.template.spec.containers[0].image",
        },
        kind=("batch/v1", "CronJob"),
        jobTemplate={"spec": {"template": {"spec": pod_spec}}},
    )
    decision = decide_reaction(workload, {APP1: D1})
    assert isinstance(decision, Reaction)
    assert decision.patch[-1]["path"] == "/spec/jobTemplate/spec/template/spec/containers/0/image"


def test_a_container_without_image_gets_one() -> None:
    decision = decide_reaction(deployment(trigger(), images=[""]), {APP1: D1})
    assert isinstance(decision, Reaction)
    assert [op["op"] for op in decision.patch] == ["test", "test", "add"]


BROKEN = deployment(text="{broken")
PLAIN = deployment(trigger())


@pytest.mark.parametrize(
    ("old", "new", "needed"),
    [
        (None, PLAIN, True),
        (None, deployment(), False),
        (deployment(), PLAIN, True),
        (PLAIN, PLAIN, False),
        (PLAIN, deployment(trigger(), replicas=3), False),
        (PLAIN, deployment(trigger(), images=("edited", "side")), True),
        (PLAIN, deployment(trigger(), images=(" ", "edited")), False),
        (deployment(trigger(paused=True)), PLAIN, True),
        (PLAIN, deployment(trigger(paused=True)), True),
        (
            deployment(trigger(paused=True)),
            deployment(trigger(paused=True), images=("edited", "side")),
            False,
        ),
        (PLAIN, deployment(trigger(name="app:2")), True),
        (BROKEN, PLAIN, True),
        (PLAIN, BROKEN, False),
        (PLAIN, deployment(), False),
    ],
)
def test_a_change_of_the_workload_calls_for_a_look(
    old: Workload | None, new: Workload, needed: bool
) -> None:
    assert needs_reaction(old, new) is needed


def test_the_index_gives_back_what_it_was_given() -> None:
    workload = deployment(trigger(), trigger("containers[7].image", paused=True))
    row, triggers = to_index(workload)
    assert from_index(row) == workload
    assert [(t.container, t.image, t.tag, t.paused) for t in triggers] == [
        ("c0", " ", "1", False),
        ("", "", "1", True),
    ]
    assert to_index(BROKEN)[1] == ()
    assert is_same(workload, from_index(row))
    assert not is_same(workload, deployment(trigger()))


def test_a_pause_covers_everything_or_one_namespace() -> None:
    assert is_paused(frozenset({"all"}), "shop")
    assert is_paused(frozenset({"namespace.shop"}), "shop")
    assert not is_paused(frozenset({"namespace.other"}), "shop")
