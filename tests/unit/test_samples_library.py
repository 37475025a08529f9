"""Libraries as they are read: the shipped one, and everything that can be wrong with one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tagstream.api.templates.processing import process_template
from tagstream.samples_manager.library import SHIPPED, LibraryError, load_library

STREAM = """\
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: ruby}
spec:
  tags:
  - name: "3.3"
    from: {kind: DockerImage, name: "quay.io/acme/ruby:3.3"}
  - name: latest
    from: {kind: ImageStreamTag, name: "3.3"}
"""
TEMPLATE = """\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: shop}
objects:
- {apiVersion: v1, kind: Secret, metadata: {name: "${NAME}"}}
parameters:
- {name: NAME, value: shop}
"""
MANIFEST = """\
name: test
version: "1"
files:
- {path: ruby.yaml, kind: ImageStream}
- {path: shop.yaml, kind: Template}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, content in (("manifest", MANIFEST), ("ruby", STREAM), ("shop", TEMPLATE)):
        (tmp_path / f"{name}.yaml").write_text(content)
    return tmp_path


def problems(directory: Path) -> list[str]:
    with pytest.raises(LibraryError) as raised:
        load_library(directory)
    return list(raised.value.problems)


def test_the_shipped_library_has_what_is_promised() -> None:
    found = load_library(SHIPPED)
    assert len(found.streams) >= 12
    assert len(found.templates) >= 6
    for stream in found.streams.values():
        assert len(stream["spec"]["tags"]) >= 2
        for tag in stream["spec"]["tags"]:
            assert tag["annotations"].keys() >= {
                "description",
                "iconClass",
                "tags",
                "openshift.io/display-name",
            }


@pytest.mark.parametrize("name", sorted(load_library(SHIPPED).templates))
def test_every_shipped_template_can_be_processed(name: str) -> None:
    template = load_library(SHIPPED).templates[name]
    for parameter in template["parameters"]:
        if not parameter.get("value") and not parameter.get("generate"):
            parameter["value"] = "app:1"
    processed, errors = process_template(template, lambda below: 0)
    assert errors == []
    assert "${" not in str(processed["objects"])


def test_a_good_library_is_read(directory: Path) -> None:
    found = load_library(directory)
    assert (found.name, found.version, found.size) == ("test", "1", 2)


def test_samples_may_be_for_some_architectures(directory: Path) -> None:
    manifest = MANIFEST.replace("kind: Template", "kind: Template, architectures: [s390x]")
    (directory / "manifest.yaml").write_text(manifest)
    assert set(load_library(directory, ("amd64",)).templates) == set()
    assert set(load_library(directory, ("s390x",)).templates) == {"shop"}


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("ruby", "tags:", "tags: [", "ruby.yaml: bad YAML: "),
        ("ruby", "kind: ImageStream", "kind: Secret", "ruby.yaml: is a Secret of"),
        ("ruby", '"3.3"\n    from', "3.3\n    from", "3.3 is no tag; put a number such as 3.10 in"),
        ("ruby", "latest", '"3.3"', "spec.tags[1].name '3.3' is there twice"),
        ("ruby", "acme/ruby:3.3", "Acme/ruby:3.3", "spec.tags[0].from.name"),
        ("ruby", "DockerImage", "Docker", "must be one of DockerImage"),
        ("ruby", 'name: "3.3"}', 'name: "9"}', "'9' names no tag of this stream"),
        ("ruby", "{name: ruby}", "{name: Ruby}", "metadata.name 'Ruby' must be lower case"),
        ("ruby", "{name: ruby}", "{name: ruby, labels: {a: 1}}", "labels[a] must be a string"),
        ("ruby", "{name: ruby}", "{name: ruby, name: php}", "key 'name' is there twice"),
        ("shop", "{name: NAME,", "{name: OTHER,", "${NAME} is used, but there is no parameter"),
        ("shop", "value: shop", "value: 3", "parameters[0].value must be a string"),
        ("shop", "name: NAME", "name: NA-ME", "must be letters, digits and '_'"),
        ("shop", "kind: Secret", "kind: ''", "objects[0] must have apiVersion and kind"),
        ("shop", "value: shop", "value: 2026-01-01", "put it in quotes"),
        (
            "manifest",
            "ruby.yaml",
            "gone.yaml",
            "manifest.yaml: lists gone.yaml, which is not there",
        ),
        ("manifest", "ruby.yaml", "../ruby.yaml", "must be a file inside the library"),
        ("manifest", "ruby.yaml", "shop.yaml", "shop.yaml is listed twice"),
        ("manifest", "kind: Template", "kind: Secret", "must be ImageStream or Template"),
        ("manifest", 'version: "1"', "version: 1", "version must be a string in quotes"),
        ("manifest", "- {path: shop.yaml, kind: Template}\n", "", "shop.yaml: is not in manifest"),
    ],
)
def test_what_is_wrong_is_named(
    directory: Path, file: str, old: str, new: str, problem: str
) -> None:
    path = directory / f"{file}.yaml"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    assert any(problem in one for one in problems(directory)), problems(directory)


def test_all_problems_are_told_at_once(directory: Path) -> None:
    (directory / "ruby.yaml").write_text("a: [")
    (directory / "shop.yaml").write_text(TEMPLATE.replace("name: NAME", "name: X"))
    assert len(problems(directory)) == 2


def test_two_files_cannot_hold_the_same_sample(directory: Path) -> None:
    shutil.copy(directory / "ruby.yaml", directory / "copy.yaml")
    manifest = MANIFEST + "- {path: copy.yaml, kind: ImageStream}\n"
    (directory / "manifest.yaml").write_text(manifest)
    assert problems(directory) == ["copy.yaml: ImageStream 'ruby' is in ruby.yaml too"]


def test_a_sample_for_all_architectures_leaves_no_room_for_another(directory: Path) -> None:
    shutil.copy(directory / "ruby.yaml", directory / "copy.yaml")
    listed = "- {path: copy.yaml, kind: ImageStream, architectures: [s390x]}\n"
    (directory / "manifest.yaml").write_text(MANIFEST + listed)
    assert problems(directory) == ["copy.yaml: ImageStream 'ruby' is in ruby.yaml too"]


def test_a_link_out_of_the_library_is_not_followed(directory: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside.yaml"
    outside.write_text(STREAM)
    (directory / "ruby.yaml").unlink()
    (directory / "ruby.yaml").symlink_to(outside)
    assert problems(directory) == ["ruby.yaml: leads out of the library"]


def test_aliases_that_grow_without_end_are_refused(directory: Path) -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    (directory / "ruby.yaml").write_text(STREAM + bomb)
    assert "YAML aliases" in problems(directory)[0]


def test_a_directory_without_manifest_is_no_library(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["manifest.yaml: does not exist"]
