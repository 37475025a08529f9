"""What a write makes of a generic object, and what a watch shows of a change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tagstream.api.engine.generic_decisions import decide_changed, decide_deleted, decide_new
from tagstream.api.engine.sealed_bodies import SealedBodies
from tagstream.api.engine.storage import DeleteOptions
from tagstream.api.engine.watch_selection import Selection, selects
from tagstream.api.kinds.configuration import SECRETS
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.kinds.jobs import CRON_JOBS, JOBS
from tagstream.api.kinds.pod_defaults import default_pull_policy
from tagstream.api.kinds.pods import PODS
from tagstream.api.kinds.rbac import CLUSTER_ROLES, ROLE_BINDINGS
from tagstream.api.kinds.workloads import DEPLOYMENTS, STATEFUL_SETS
from tagstream.api.watch.events import WatchEvent, WatchType
from tagstream.api.wire.selectors import FieldSelector, parse_label_selector
from tagstream.api.wire.status import ApiError
from tagstream.errors import InvalidInput
from tagstream.store.sealing import AesGcmSealer

AT = datetime(2026, 11, 23, 4, 0, 0, tzinfo=UTC)
UID = "6ff61a0d-8313-4c4b-8fad-1d850619b8b3"


def template(image: str = "a:1", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "web", "image": image}]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers, **spec}}


def new(declared: GenericKind, **body: Any) -> dict[str, Any]:
    kind = declared.kind
    metadata = {"name": "x", "namespace": "shop", **body.pop("metadata", {})}
    wanted = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata, **body}
    made = decide_new(kind, declared.rules, wanted, UID, AT)
    made["metadata"]["resourceVersion"] = "5"
    return made


def changed(declared: GenericKind, old: dict[str, Any], **body: Any) -> dict[str, Any]:
    wanted = {**old, **body}
    return decide_changed(declared.kind, declared.rules, old, wanted, "")


def causes(error: pytest.ExceptionInfo[ApiError]) -> list[tuple[str, str]]:
    details = error.value.details or {}
    return [(cause["field"], cause["message"]) for cause in details["causes"]]


def stateful_set(**spec: Any) -> dict[str, Any]:
    return {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("host:5000/a", "Always"),
        ("host:5000/a:2", "IfNotPresent"),
        ("a@sha256:0", "IfNotPresent"),
        ("a:latest@sha256:0", "IfNotPresent"),
        ("", "Always"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def test_clients_cannot_set_what_the_server_owns() -> None:
    made = new(SECRETS, metadata={"uid": "mine", "generation": 7, "creationTimestamp": "never"})
    assert made["metadata"] == {
        "name": "x",
        "namespace": "shop",
        "uid": UID,
        "creationTimestamp": "2026-11-23T04:00:00Z",
        "resourceVersion": "5",
    }
    after = changed(SECRETS, made, metadata={**made["metadata"], "creationTimestamp": "now"})
    assert after == made


def test_an_annotation_counts_as_a_generation_of_a_deployment_only() -> None:
    for declared, generation in ((DEPLOYMENTS, 2), (STATEFUL_SETS, 1)):
        made = new(declared, spec=stateful_set())
        noted = {**made["metadata"], "annotations": {"a": "b"}}
        assert changed(declared, made, metadata=noted)["metadata"]["generation"] == generation


def test_a_foreign_uid_is_a_conflict() -> None:
    made = new(SECRETS)
    with pytest.raises(ApiError, match="Precondition failed: UID in precondition: other"):
        changed(SECRETS, made, metadata={**made["metadata"], "uid": "other"})


def test_a_field_of_a_wrong_type_is_a_bad_request_even_without_a_schema() -> None:
    wrong: list[Any] = ["text", [], {"template": 3}, {"template": {"spec": {"containers": [1]}}}]
    for spec in wrong:
        with pytest.raises(ApiError) as refused:
            new(DEPLOYMENTS, spec=spec)
        assert refused.value.code == 400


def test_a_blank_image_is_kept_in_a_template_and_refused_in_a_pod() -> None:
    new(DEPLOYMENTS, spec=stateful_set(template=template(" ")))
    with pytest.raises(ApiError) as refused:
        new(PODS, spec=template(" ")["spec"])
    assert causes(refused) == [
        (
            "spec.containers[0].image",
            'Invalid value: " ": must not have leading or trailing whitespace',
        )
    ]


def test_a_running_pods_image_may_change_and_nothing_beside_it() -> None:
    made = new(PODS, spec=template()["spec"])
    spec = {**made["spec"], "containers": [{**made["spec"]["containers"][0], "image": "b:2"}]}
    assert changed(PODS, made, spec=spec)["spec"]["containers"][0]["image"] == "b:2"
    with pytest.raises(ApiError, match="pod updates may not change fields"):
        changed(PODS, made, spec={**spec, "hostNetwork": True})


def test_a_jobs_template_is_immutable_and_its_selector_made_from_its_uid() -> None:
    made = new(JOBS, spec={"template": template(restartPolicy="Never")})
    assert made["spec"]["selector"]["matchLabels"] == {"batch.kubernetes.io/controller-uid": UID}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "x"
    moved = {**made["spec"], "template": template("b:2", restartPolicy="Never")}
    with pytest.raises(ApiError) as refused:
        changed(JOBS, made, spec=moved)
    assert [field for field, _ in causes(refused)] == ["spec.template"]
    with pytest.raises(ApiError, match='valid values: "OnFailure", "Never"'):
        new(JOBS, spec={"template": template()})


def test_a_cron_job_needs_a_schedule_and_a_short_name() -> None:
    spec = {"jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}
    new(CRON_JOBS, spec={**spec, "schedule": "*/5 * * * *"})
    with pytest.raises(ApiError) as refused:
        new(CRON_JOBS, metadata={"name": "x" * 53}, spec={**spec, "schedule": "often"})
    assert [field for field, _ in causes(refused)] == ["metadata.name", "spec.schedule"]


def test_a_binding_keeps_its_role() -> None:
    role = {"kind": "Role", "name": "view"}
    made = new(ROLE_BINDINGS, roleRef=role, subjects=[{"kind": "User", "name": "ann"}])
    assert made["subjects"][0]["apiGroup"] == made["roleRef"]["apiGroup"]
    with pytest.raises(ApiError, match="cannot change roleRef"):
        changed(ROLE_BINDINGS, made, roleRef={**made["roleRef"], "name": "admin"})


def test_a_cluster_role_may_have_a_colon_in_its_name() -> None:
    rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
    made = new(
        CLUSTER_ROLES, metadata={"name": "system:image-puller", "namespace": ""}, rules=rules
    )
    assert made["metadata"]["name"] == "system:image-puller"
    with pytest.raises(ApiError) as refused:
        new(CLUSTER_ROLES, rules=[{"resources": ["pods"]}])
    assert [field for field, _ in causes(refused)] == ["rules[0].verbs", "rules[0].apiGroups"]


def test_foreground_deletion_waits_for_the_dependents() -> None:
    made = new(DEPLOYMENTS, spec=stateful_set())
    kind, rules = DEPLOYMENTS.kind, DEPLOYMENTS.rules
    assert decide_deleted(kind, rules, made, DeleteOptions(), AT) is None
    held = decide_deleted(kind, rules, made, DeleteOptions(propagation="Foreground"), AT)
    assert held is not None
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert held["metadata"]["deletionTimestamp"] == "2026-11-23T04:00:00Z"


def test_an_immutable_secret_stays_and_wrong_base64_names_its_place() -> None:
    made = new(SECRETS, data={"a": "YQ=="}, immutable=True)
    with pytest.raises(ApiError) as refused:
        changed(SECRETS, made, data={"a": "Yg=="}, immutable=None)
    assert [field for field, _ in causes(refused)] == ["immutable", "data"]
    with pytest.raises(ApiError, match="illegal base64 data at input byte 2"):
        new(SECRETS, data={"a": "YQ!="})


def test_a_sealed_body_tells_only_key_names_and_opens_for_its_own_secret() -> None:
    bodies = SealedBodies(AesGcmSealer([b"1" * 32]))
    secret = new(SECRETS, data={"a": "c2VjcmV0"})
    body, sealed = bodies.hide(secret)
    assert "c2VjcmV0" not in repr(body)
    assert body["sealed"]["keys"] == ["a"]
    assert bodies.reveal(body, sealed) == secret
    rotated = SealedBodies(AesGcmSealer([b"2" * 32, b"1" * 32]))
    assert rotated.reveal(body, sealed) == secret
    other = {**body, "metadata": {**body["metadata"], "uid": "other"}}
    with pytest.raises(InvalidInput):
        bodies.reveal(other, sealed)
    with pytest.raises(InvalidInput):
        SealedBodies(AesGcmSealer([b"3" * 32])).reveal(body, sealed)


def event(position: int, kind: WatchType, uid: str, on: bool) -> WatchEvent:
    labels = {"on": "yes"} if on else {}
    return WatchEvent(position, kind, {"metadata": {"uid": uid, "labels": labels}})


def test_a_selective_watch_never_misses_a_transition() -> None:
    matches = selects(parse_label_selector("on=yes"), FieldSelector())
    selection = Selection(matches, 10, ["seeded"])
    judged = [
        # Before the seed it is open whether it matched: shown so that nobody can miss it.
        selection.judge(event(9, "MODIFIED", "early", False)),
        selection.judge(event(9, "ADDED", "born", False)),
        selection.judge(event(11, "MODIFIED", "seeded", True)),
        selection.judge(event(12, "MODIFIED", "seeded", False)),
        selection.judge(event(13, "MODIFIED", "seeded", False)),
        selection.judge(event(14, "MODIFIED", "other", True)),
        selection.judge(event(15, "DELETED", "other", True)),
        selection.judge(event(16, "DELETED", "seeded", False)),
        selection.judge(event(17, "ADDED", "other", True)),
    ]
    assert judged == [
        "DELETED",
        None,
        "MODIFIED",
        "DELETED",
        None,
        "ADDED",
        "DELETED",
        None,
        "ADDED",
    ]
