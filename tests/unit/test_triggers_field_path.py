"""The rows of the table of field paths (spec/triggers-lookup-pruning.md A3)."""

from __future__ import annotations

import pytest

from tagstream.errors import InvalidInput
from tagstream.trigger_dispatcher.field_path import names_base, parse_field_path
from tagstream.trigger_dispatcher.targets import (
    TARGETS,
    Container,
    find_container,
    list_containers,
    target_of,
)

BASE = "spec.template.spec"
POD_SPEC = {
    "initContainers": [{"name": "init", "image": "i"}, {"name": "both", "image": "bi"}],
    "containers": [{"name": "web", "image": "w"}, {"name": "both", "image": "bc"}],
}
DEPLOYMENT = {"spec": {"template": {"spec": POD_SPEC}}}
INIT, WEB = Container("initContainers", 0, "init", "i"), Container("containers", 0, "web", "w")


def resolve(path: str, base: str = BASE) -> Container:
    containers = list_containers(DEPLOYMENT, target_of("apps/v1", "Deployment"))
    return find_container(containers, parse_field_path(path, base), path)


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ('containers[?(@.name=="web")].image', WEB),
        ('initContainers[?(@.name=="init")].image', INIT),
        ('containers[?(@.name=="init")].image', INIT),
        ('initContainers[?(@.name=="web")].image', WEB),
        ('containers[?(@.name=="both")].image', Container("initContainers", 1, "both", "bi")),
        ("containers[?(@.name=='web')].image", WEB),
        ("containers[0].image", WEB),
        ("containers[00].image", WEB),
        ("containers[+1].image", Container("containers", 1, "both", "bc")),
        ("initContainers[0].image", INIT),
        ("containers[0]image", WEB),
        ('containers[?(@.name=="web")]image', WEB),
    ],
)
def test_a_path_finds_its_container(rest: str, found: Container) -> None:
    assert resolve(f"{BASE}.{rest}") == found


@pytest.mark.parametrize(
    "rest",
    [
        "containers[-1].image",
        "containers[2].image",
        "containers[99999999999999999999].image",
        'containers[?(@.name=="no")].image',
        "containers[@.name=web].image",
        'containers["web"].image',
        "containers[*].image",
        "containers[ 0 ].image",
        "containers[1_0].image",
        "containers[\u0660].image",
        "containers[].image",
        'containers[?(@.name == "web")].image',
        "containers[?(@.name==\"web')].image",
        'containers[?(@.name=="web"].image',
    ],
)
def test_a_selector_that_finds_nothing_says_so(rest: str) -> None:
    path = f"{BASE}.{rest}"
    with pytest.raises(InvalidInput) as caught:
        resolve(path)
    assert caught.value.reason == f"no such container: {path}"


@pytest.mark.parametrize(
    "rest",
    [
        'containers[?(@.name=="web")]',
        "containers[0].imagePullPolicy",
        "containers[0]..image",
        "containers[0].image.",
        "ports[0].image",
        "ephemeralContainers[0].image",
        'containers[?(@.name=="web").image',
        "containers.image",
        "",
    ],
)
def test_a_path_of_another_form_is_not_valid(rest: str) -> None:
    path = f"{BASE}.{rest}"
    with pytest.raises(InvalidInput) as caught:
        resolve(path)
    assert caught.value.reason == f"field path is not valid: {path}"


@pytest.mark.parametrize(
    "path",
    [
        f".{BASE}.containers[0].image",
        f"$.{BASE}.containers[0].image",
        f"{{{BASE}.containers[0].image}}",
        "spec.containers[0].image",
        "metadata.annotations",
        BASE,
    ],
)
def test_a_path_outside_of_the_pod_spec_is_no_error(path: str) -> None:
    assert not names_base(path, BASE)


def test_a_deployments_path_on_a_pod_is_not_valid() -> None:
    path = f"{BASE}.containers[0].image"
    assert names_base(path, "spec")
    with pytest.raises(InvalidInput, match=r"^field path is not valid"):
        parse_field_path(path, "spec")


def test_the_seven_kinds_of_the_guide_can_follow() -> None:
    assert {(t.resource.kind, t.base) for t in TARGETS} == {
        ("Deployment", BASE),
        ("DaemonSet", BASE),
        ("StatefulSet", BASE),
        ("CronJob", "spec.jobTemplate.spec.template.spec"),
        ("Job", BASE),
        ("ReplicationController", BASE),
        ("Pod", "spec"),
    }


@pytest.mark.parametrize(
    "body", [{}, {"spec": 1}, {"spec": {"template": {"spec": {"containers": [1]}}}}]
)
def test_a_malformed_workload_has_no_containers(body: dict[str, object]) -> None:
    assert list_containers(body, target_of("apps/v1", "Deployment")) == ()
