"""Which registries samples may come from: what the Config says, and what the cluster permits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.samples_world import change, settle, truths, world
from tagstream.samples_manager.conditions import ConditionType
from tagstream.samples_manager.reconcile import World, decide

MIRROR = "mirror.lab.test:5000"
PREVENTS = (
    "global openshift image configuration prevents the creation of imagestreams using the registry "
)


def problem(of: World) -> str:
    return decide(of).status.conditions[ConditionType.CONFIGURATION_VALID].message


def obeying(of: World, **spec: Any) -> World:
    return replace(of, image_config={"spec": spec})


@pytest.fixture
def installed() -> World:
    return settle(world())[0]


@pytest.mark.parametrize("registry", ["https://mirror.test", "mirror", "a.test/B", "a b.test"])
def test_what_is_no_registry_is_refused_and_nothing_is_written(
    installed: World, registry: str
) -> None:
    changed = change(installed, samplesRegistry=registry)
    assert f"samplesRegistry {registry} is no registry" in problem(changed)
    assert decide(changed).actions == ()


@pytest.mark.parametrize("registry", [MIRROR, f"{MIRROR}/red/hat", "localhost", "quay.io"])
def test_a_host_with_or_without_port_and_path_is_taken(installed: World, registry: str) -> None:
    assert problem(change(installed, samplesRegistry=registry)) == ""


@pytest.mark.parametrize(
    ("spec", "registry", "blocked"),
    [
        ({}, MIRROR, ""),
        ({"allowedRegistriesForImport": [{"domainName": "lab.test:5000"}]}, MIRROR, ""),
        ({"allowedRegistriesForImport": [{"domainName": "*.lab.test:5000"}]}, MIRROR, MIRROR),
        ({"allowedRegistriesForImport": [{"domainName": "quay.io"}]}, MIRROR, MIRROR),
        ({"allowedRegistriesForImport": [{"domainName": "quay.io"}]}, "", ""),
        ({"allowedRegistriesForImport": [{"domainName": "docker.io"}]}, "", "quay.io"),
        ({"registrySources": {"allowedRegistries": [f" {MIRROR} "]}}, f"{MIRROR}/x", ""),
        ({"registrySources": {"allowedRegistries": ["lab.test:5000"]}}, MIRROR, MIRROR),
        ({"registrySources": {"blockedRegistries": [MIRROR]}}, MIRROR, MIRROR),
        ({"registrySources": {"blockedRegistries": [MIRROR]}}, "", ""),
        ({"registrySources": {"blockedRegistries": ["quay.io"]}}, "", "quay.io"),
    ],
)
def test_the_clusters_image_config_is_obeyed(
    installed: World, spec: dict[str, Any], registry: str, blocked: str
) -> None:
    changed = obeying(change(installed, samplesRegistry=registry), **spec)
    assert problem(changed) == (PREVENTS + blocked if blocked else "")


def test_what_the_cluster_forbids_is_not_installed_at_all() -> None:
    start = obeying(world(), registrySources={"blockedRegistries": ["quay.io"]})
    after, done = settle(start)
    assert done == []
    assert truths(after)["ConfigurationValid"] == "False"
    assert settle(replace(after, image_config={}))[0].streams.keys() == {"ruby", "php"}


def test_an_image_config_that_may_not_be_read_stops_a_pass(installed: World) -> None:
    after, done = settle(replace(installed, streams={}, image_config="forbidden"))
    assert done == []
    assert truths(after)["ConfigurationValid"] == "Unknown"
    assert "images.config.openshift.io/cluster) cannot be read: forbidden" in problem(
        replace(after, image_config="forbidden")
    )
