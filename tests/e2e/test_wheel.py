"""What is installed is what was tested: the wheel holds every part, and runs without the source."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SERVICES = ("api", "importer", "tag_tracker", "trigger_dispatcher", "cli")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_file_of_every_part(unpacked: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "libs", "services"],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    wanted = {name.partition("/")[2] for name in tracked if name}
    missing = {name for name in wanted if not (unpacked / name).exists()}
    assert not missing


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_found_in_the_wheel_alone(unpacked: Path, service: str) -> None:
    script = f"import tagstream.{service}.__main__ as m, sys; print(m.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=unpacked,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout.strip()).is_relative_to(unpacked)


def test_every_console_script_has_its_function(unpacked: Path) -> None:
    (entries,) = unpacked.glob("*.dist-info/entry_points.txt")
    lines = [line for line in entries.read_text().splitlines() if " = " in line]
    assert len(lines) >= 6
    for line in lines:
        module, _, function = line.partition(" = ")[2].partition(":")
        path = unpacked / Path(*module.split("."))
        source = path.with_suffix(".py")
        assert f"def {function}(" in source.read_text(), line
