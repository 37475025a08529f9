"""What `tagstream samples` and doctor say, and `samples verify` on a library from end to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tagstream.cli.doctor_report import Level, judge_samples
from tagstream.cli.samples import samples
from tagstream.cli.samples_report import describe_differences, describe_samples
from tagstream.samples_manager.bootstrap import build_first_config
from tagstream.samples_manager.conditions import ConditionType, Truth
from tagstream.samples_manager.config import State, parse_config
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.reconcile import World
from tagstream.samples_manager.samples import build_stream

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def stream(name: str) -> dict[str, Any]:
    source = {"kind": "DockerImage", "name": f"quay.io/a/{name}:1"}
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name},
        "spec": {"tags": [{"name": "1", "from": source}]},
    }


@pytest.fixture
def world() -> World:
    """`a` is installed and importing, `b` is missing, `c` is skipped, `old` is left over."""
    config = build_first_config(State.MANAGED, "x86_64")
    config["spec"]["skippedImagestreams"] = ["c"]
    library = Library("test", "1", {name: stream(name) for name in "abc"}, {})
    there = {name: build_stream(stream(name), None, registry="", version="1") for name in "a"}
    there["old"] = build_stream(stream("old"), None, registry="", version="0")
    return World(parse_config(config, NOW), library, there, {}, {}, NOW)


def test_the_list_says_what_has_become_of_each_sample(world: World) -> None:
    lines = describe_samples(world)
    assert lines[0] == "Managed, library test 1"
    assert lines[-3:] == [
        "a  1 tags  installed, importing 1",
        "b  1 tags  not installed",
        "c  1 tags  skipped",
    ]


def test_the_differences_name_what_is_missing_changed_and_left_over(world: World) -> None:
    world.streams["a"]["spec"]["tags"][0]["from"]["name"] = "quay.io/a/other:1"
    assert describe_differences(world) == [
        "imagestream/a: tag 1 follows quay.io/a/other:1, not quay.io/a/a:1",
        "imagestream/b: missing",
        "imagestream/old: is managed, but not in the library",
    ]


def test_a_removed_config_wants_nothing(world: World) -> None:
    body = {**world.config.body, "spec": {"managementState": "Removed"}}
    removed = replace(world, config=parse_config(body, NOW))
    assert describe_differences(removed) == [
        "imagestream/a: is managed, but is to be removed",
        "imagestream/old: is managed, but is to be removed",
    ]
    assert describe_differences(replace(removed, streams={})) == []


def test_verify_names_every_problem_and_fails(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text(
        'name: x\nversion: "1"\nfiles:\n- {path: a.yaml, kind: ImageStream}\n'
    )
    (tmp_path / "b.yaml").write_text("{}")
    said = CliRunner().invoke(samples, ["verify", "--library", str(tmp_path)])
    assert said.exit_code == 1
    assert "manifest.yaml: lists a.yaml, which is not there" in said.output
    assert "b.yaml: is not in manifest.yaml" in said.output


def test_verify_is_content_with_what_is_shipped() -> None:
    said = CliRunner().invoke(samples, ["verify"])
    assert said.exit_code == 0
    assert "nothing wrong" in said.output


def test_doctor_warns_of_what_the_config_complains_about(world: World) -> None:
    status = world.config.status
    assert judge_samples(status).level is Level.OK
    assert judge_samples(None).level is Level.WARN
    kind = ConditionType.IMPORT_IMAGE_ERRORS_EXIST
    failing = status.with_condition(kind, Truth.TRUE, NOW, "php", "Imports of php fail")
    found = judge_samples(failing)
    assert (found.level, found.text) == (Level.WARN, "Imports of php fail")
