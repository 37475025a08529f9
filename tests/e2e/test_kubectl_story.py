"""The product's story with the real `kubectl`: import, look, tag, follow, delete, be refused."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any, Protocol

import pytest
import yaml

from fakes.kubectl import Kubectl

pytestmark = pytest.mark.xdist_group("stack")

_API = "image.openshift.io/v1"


class _Application(Protocol):
    registry: str
    first: str
    second: str

    def pull_spec(self, digest: str) -> str: ...


def _stream(name: str = "app", **spec: Any) -> str:
    document = {"apiVersion": _API, "kind": "ImageStream", "metadata": {"name": name}, "spec": spec}
    return yaml.safe_dump(document)


def _stream_of(application: _Application, tag: str = "1") -> str:
    source = {"kind": "DockerImage", "name": f"{application.registry}/team/app:1"}
    return _stream(tags=[{"name": tag, "from": source, "importPolicy": {"insecure": True}}])


def _import(kubectl: Kubectl, application: _Application, name: str = "app") -> None:
    images = [
        {
            "from": {"kind": "DockerImage", "name": f"{application.registry}/team/app:{tag}"},
            "to": {"name": tag},
            "importPolicy": {"insecure": True},
        }
        for tag in ("1", "2")
    ]
    document = {
        "apiVersion": _API,
        "kind": "ImageStreamImport",
        "metadata": {"name": name},
        "spec": {"import": True, "images": images},
    }
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(document))


def _tag(kubectl: Kubectl, source: str, target: str) -> None:
    """What `oc tag SOURCE TARGET` does: a PUT on imagestreamtags, which may create."""
    document = {
        "apiVersion": _API,
        "kind": "ImageStreamTag",
        "metadata": {"name": target, "namespace": kubectl.namespace},
        "tag": {
            "name": target.partition(":")[2],
            "from": {"kind": "ImageStreamTag", "name": source},
        },
    }
    path = f"/apis/{_API}/namespaces/{kubectl.namespace}/imagestreamtags/{target}"
    kubectl("replace", f"--raw={path}", "-f", "-", stdin=json.dumps(document))


def _deploy(kubectl: Kubectl) -> None:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "web", "image": "placeholder:1"}]}
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(document))


def _annotate_trigger(kubectl: Kubectl, tag: str) -> None:
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": tag},
        "fieldPath": 'spec.template.spec.containers[?(@.name=="web")].image',
    }
    text = json.dumps([trigger])
    kubectl("annotate", "deployment", "web", f"image.openshift.io/triggers={text}")


def _await_image(kubectl: Kubectl, pull_spec: str) -> None:
    jsonpath = "jsonpath={.spec.template.spec.containers[0].image}"
    kubectl.wait_for(
        lambda: kubectl("get", "deployment", "web", "-o", jsonpath) == pull_spec,
        f"the Deployment runs {pull_spec}",
    )


def test_a_deployment_follows_a_tag_that_moves_and_rolls_back(
    kubectl: Kubectl, application: _Application
) -> None:
    _import(kubectl, application)
    _tag(kubectl, "app:1", "app:prod")
    _deploy(kubectl)
    _annotate_trigger(kubectl, "app:prod")
    _await_image(kubectl, application.pull_spec(application.first))
    _tag(kubectl, "app:2", "app:prod")
    _await_image(kubectl, application.pull_spec(application.second))
    _tag(kubectl, "app:1", "app:prod")
    _await_image(kubectl, application.pull_spec(application.first))


def test_a_stream_from_yaml_is_imported_by_itself(
    kubectl: Kubectl, application: _Application
) -> None:
    created = kubectl("create", "--validate=true", "-f", "-", stdin=_stream_of(application))
    assert created == "imagestream.image.openshift.io/app created\n"
    kubectl.wait_for(
        lambda: kubectl.attempt("get", "istag", "app:1").code == 0, "app:1 has been imported"
    )
    assert kubectl.read("istag", "app:1")["image"]["metadata"]["name"] == application.first


def test_get_prints_the_columns_of_openshift(kubectl: Kubectl, application: _Application) -> None:
    _import(kubectl, application)
    printed = kubectl("get", "is,istag", "-o", "wide").splitlines()
    age = r"(Less than a second|\d+ seconds?) ago"
    expected = [
        r"NAME +IMAGE REPOSITORY +TAGS +UPDATED",
        r"imagestream.image.openshift.io/app +\S+/app +1,2 +" + age,
        r"",
        r"NAME +IMAGE REFERENCE +UPDATED +IMAGE NAME",
        *(
            rf"imagestreamtag.image.openshift.io/app:{tag} +"
            rf"{application.pull_spec(digest)} +{age} +{digest}"
            for tag, digest in (("1", application.first), ("2", application.second))
        ),
    ]
    for pattern, line in zip(expected, printed, strict=True):
        assert re.fullmatch(pattern, line.rstrip()), line


def test_describe_shows_tags_and_their_images(kubectl: Kubectl, application: _Application) -> None:
    _import(kubectl, application)
    described = kubectl("describe", "is", "app")
    assert re.search(r"^Name: +app$", described, re.MULTILINE)
    assert application.first in described
    assert application.second in kubectl("describe", "istag", "app:2")


def test_explain_knows_the_fields_of_a_stream(kubectl: Kubectl) -> None:
    explained = kubectl("explain", "imagestream.spec.tags")
    assert re.search(r"KIND: +ImageStream", explained)
    for field in ("from", "importPolicy", "referencePolicy"):
        assert re.search(rf"^ +{field}\t", explained, re.MULTILINE)


def test_api_resources_lists_the_short_names(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--api-group=image.openshift.io", "--no-headers")
    assert {line.split()[1] for line in listed.splitlines()} >= {"is", "istag", "isimage", "itag"}


def test_applying_twice_changes_nothing(kubectl: Kubectl, application: _Application) -> None:
    assert kubectl("apply", "-f", "-", stdin=_stream_of(application)).endswith("/app created\n")
    kubectl.wait_for(lambda: kubectl.attempt("get", "istag", "app:1").code == 0, "imported")
    before = kubectl.read("is", "app")["metadata"]["resourceVersion"]
    again = kubectl("apply", "-f", "-", stdin=_stream_of(application))
    # Before 1.27 kubectl merges streams without their schema and sends lists whole.
    assert re.search(r"/app (unchanged|configured)$", again)
    assert kubectl.read("is", "app")["metadata"]["resourceVersion"] == before
    changed = kubectl("apply", "-f", "-", stdin=_stream_of(application, tag="other"))
    assert changed.endswith("/app configured\n")
    assert [tag["name"] for tag in kubectl.read("is", "app")["spec"]["tags"]] == ["other"]


def test_workloads_are_created_and_changed_by_their_own_commands(kubectl: Kubectl) -> None:
    """A current kubectl sends and reads them as protobuf."""
    created = kubectl("create", "deployment", "web", "--image=placeholder:1")
    assert created == "deployment.apps/web created\n"
    assert kubectl("create", "job", "once", "--image=b:1").endswith("/once created\n")
    # Before 1.21 it creates cron jobs in batch/v1beta1, which Kubernetes 1.25 took away.
    if kubectl.minor >= 21:
        nightly = kubectl("create", "cronjob", "nightly", "--image=b:1", "--schedule=0 3 * * *")
        assert nightly.endswith("/nightly created\n")
    kubectl("scale", "deployment", "web", "--replicas=3")
    kubectl("set", "image", "deployment/web", "placeholder=new:2")
    kubectl("set", "resources", "deployment/web", "--limits=memory=1Gi")
    spec = kubectl.read("deployment", "web")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], container["image"]) == (3, "new:2")
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert "new:2" in kubectl("describe", "deployment", "web")


def test_labels_and_annotations_can_be_set_selected_and_taken_away(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=_stream())
    kubectl("label", "is", "app", "team=x")
    kubectl("annotate", "is", "app", "note=hello")
    assert kubectl("get", "is", "-l", "team=x", "-o", "name").strip().endswith("/app")
    assert kubectl("get", "is", "-l", "team!=x", "-o", "name") == ""
    kubectl("label", "is", "app", "team-")
    metadata = kubectl.read("is", "app")["metadata"]
    assert metadata["annotations"]["note"] == "hello"
    assert "labels" not in metadata


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", {"metadata": {"labels": {"by": "patch"}}}),
        ("json", [{"op": "add", "path": "/metadata/labels", "value": {"by": "patch"}}]),
        ("strategic", {"metadata": {"labels": {"by": "patch"}}}),
    ],
)
def test_a_stream_takes_patches(kubectl: Kubectl, kind: str, patch: Any) -> None:
    kubectl("create", "-f", "-", stdin=_stream())
    kubectl("patch", "is", "app", f"--type={kind}", "-p", json.dumps(patch))
    assert kubectl.read("is", "app")["metadata"]["labels"] == {"by": "patch"}


def test_a_deleted_tag_is_gone_and_its_stream_is_not(
    kubectl: Kubectl, application: _Application
) -> None:
    _import(kubectl, application)
    kubectl("delete", "istag", "app:2")
    assert "NotFound" in kubectl.refuse("get", "istag", "app:2")
    assert [tag["tag"] for tag in kubectl.read("is", "app")["status"]["tags"]] == ["1"]


def test_a_deleted_namespace_takes_everything_with_it(
    kubectl: Kubectl, application: _Application
) -> None:
    _import(kubectl, application)
    _deploy(kubectl)
    kubectl("delete", "namespace", kubectl.namespace, "--wait=true", "--timeout=20s")
    assert "NotFound" in kubectl.refuse("get", "namespace", kubectl.namespace)
    kubectl("create", "namespace", kubectl.namespace)
    assert kubectl("get", "is,istag,deployments", "-o", "name") == ""


def test_a_watch_prints_a_change_as_it_happens(kubectl: Kubectl, application: _Application) -> None:
    kubectl("create", "-f", "-", stdin=_stream())
    watch = subprocess.Popen(
        kubectl.command("get", "is", "-w", "--no-headers"),
        stdout=subprocess.PIPE,
        text=True,
        env=kubectl.environment(),
    )
    assert watch.stdout is not None
    try:
        assert watch.stdout.readline().split()[0] == "app"
        _import(kubectl, application)
        started = time.monotonic()
        while "1,2" not in (line := watch.stdout.readline()):
            assert line, "the watch ended"
        assert time.monotonic() - started < 20
    finally:
        watch.terminate()
        watch.wait()


def test_the_administrator_may_and_a_stranger_may_not(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "imagestreams").strip() == "yes"
    stranger = kubectl.attempt("auth", "can-i", "create", "imagestreams", "--as=nobody")
    assert stranger.out.strip() == "no"
    refused = kubectl.refuse("get", "is", "--as=nobody")
    assert 'User "nobody" cannot list resource "imagestreams"' in refused


def test_an_unknown_field_is_refused_when_asked_to_validate(kubectl: Kubectl) -> None:
    document = _stream() + "sepc: {}\n"
    refused = kubectl.refuse("create", "--validate=true", "-f", "-", stdin=document)
    assert re.search(
        r'unknown field "(io\.openshift\.image\.v1\.ImageStream\.|)sepc"|sepc', refused
    )
    assert "NotFound" in kubectl.refuse("get", "is", "app")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (_stream("Bad_Name!"), r'metadata.name: Invalid value: "Bad_Name!": must match'),
        (
            _stream(tags=[{"name": "a", "from": {"kind": "DockerImage", "name": "Not A Spec"}}]),
            r"spec.tags\[a\].from.name: Invalid value",
        ),
        (
            _stream(tags=[{"name": "a", "importPolicy": {"importMode": "Nope"}}]),
            r"invalid import mode, valid modes are",
        ),
        ("{not yaml", r"error parsing|error converting|did not find expected"),
    ],
)
def test_a_bad_stream_is_refused_with_a_sentence(
    kubectl: Kubectl, document: str, sentence: str
) -> None:
    assert re.search(sentence, kubectl.refuse("create", "-f", "-", stdin=document))
    assert kubectl("get", "is", "-o", "name") == ""


def test_a_wrong_kind_and_a_missing_namespace_are_refused(kubectl: Kubectl) -> None:
    path = f"/apis/{_API}/namespaces/{kubectl.namespace}/imagestreams"
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}})
    refused = kubectl.refuse("create", f"--raw={path}", "-f", "-", stdin=pod)
    assert "cannot be handled as a ImageStream" in refused
    missing = kubectl.refuse("create", "-n", "nowhere-at-all", "-f", "-", stdin=_stream())
    assert 'namespaces "nowhere-at-all" not found' in missing


def test_a_stale_version_is_refused_and_nothing_changes(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=_stream())
    stale = kubectl("get", "is", "app", "-o", "json")
    kubectl("label", "is", "app", "moved=on")
    assert "the object has been modified" in kubectl.refuse("replace", "-f", "-", stdin=stale)
    assert kubectl.read("is", "app")["metadata"]["labels"] == {"moved": "on"}


def test_an_unreachable_registry_is_told_in_the_status(kubectl: Kubectl) -> None:
    source = {"kind": "DockerImage", "name": "127.0.0.1:9/x/y:1"}
    tag = {"name": "1", "from": source, "importPolicy": {"insecure": True}}
    kubectl("create", "-f", "-", stdin=_stream(tags=[tag]))

    def conditions() -> list[Any]:
        found = kubectl.read("is", "app")["status"].get("tags", [])
        return [one for tag in found for one in tag.get("conditions", [])]

    kubectl.wait_for(lambda: bool(conditions()), "the failed import shows as a condition")
    assert conditions()[0]["type"] == "ImportSuccess"
    assert conditions()[0]["status"] == "False"
    assert "127.0.0.1:9" in conditions()[0]["message"]


def test_a_scheduled_tag_that_is_set_by_hand_warns(
    kubectl: Kubectl, application: _Application
) -> None:
    _import(kubectl, application)
    source = f"{application.registry}/team/app:1"
    scheduled = {
        "name": "1",
        "from": {"kind": "DockerImage", "name": source},
        "importPolicy": {"insecure": True, "scheduled": True},
    }
    patch = json.dumps({"tag": scheduled})
    kubectl("patch", "istag", "app:1", "--type=merge", "-p", patch)
    _tag(kubectl, "app:2", "app:1")
    warning = f"tag 1 was imported on schedule from {source}; it is now set by hand"
    described = kubectl("describe", "is", "app")
    assert "tagstream.dev/scheduled-import" in described
    assert warning in " ".join(described.split())
    messages = {
        event["message"]
        for event in kubectl.read("events")["items"]
        if event["reason"] == "ScheduledTagMovedByHand"
    }
    (message,) = messages
    assert message.startswith(warning)
    assert f"oc tag --scheduled --insecure {source} app:1" in message
