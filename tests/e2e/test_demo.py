"""`tagstream demo` from its first line to its last, as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagstream.demo.image import build_small_image
from tagstream.demo.narration import short

BUDGET_S = 90
COMMAND = [sys.executable, "-m", "tagstream.cli", "demo"]
FIRST, SECOND = (short(build_small_image(build).digest) for build in (1, 2))


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Nothing but a home, a path and an empty folder for temporary files."""
    # Not pytest's tmp_path: that one is private, and as root Postgres runs as somebody else.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield {"HOME": folder, "TMPDIR": folder, "PATH": os.environ["PATH"]}


def _left_behind(folder: str) -> list[str]:
    """Files in the folder, and processes that were started on it."""
    files = [path.name for path in Path(folder).iterdir() if not path.name.startswith(".")]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line:
            files.append(line)
    return files


def test_the_demo_tells_the_whole_story_and_leaves_nothing(environment: dict[str, str]) -> None:
    started_at = time.monotonic()
    done = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, timeout=BUDGET_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started_at < BUDGET_S
    assert done.stderr == ""
    assert re.findall(r"^ ?(\d+) ", done.stdout, re.M) == [str(n) for n in range(1, 16)]
    for told in (
        r"oc import-image app:1 --from=127.0.0.1:\d+/shop/app:1 --confirm --insecure",
        f"app:1 moved from {FIRST} to {SECOND}; app:prod did not",
        f"Deployment patched .+ after it was created: .+@{FIRST}",
        f"Deployment patched .+ after the tag moved: .+@{SECOND}",
        f"history, newest first: {FIRST}, {SECOND}, {FIRST}",
        f"tag.changed +app:prod +{FIRST} -> {SECOND}",
        f"tag.changed +app:prod +{SECOND} -> {FIRST}",
        f"trigger.fired +app:prod +deployment/web -> {SECOND}",
        r"\d+ image streams and 6 templates in the namespace openshift",
        f"{SECOND}  ->  {FIRST}  rolled back",
        r"default/app:1 \(the current image\) holds it",
        r"equal: \d+ commands gave the same \d+ changes",
        r"https://127.0.0.1:\d+/, and a token to sign in with",
        r"Every step happened and was checked, in .+ s\.",
    ):
        assert re.search(told, done.stdout), (told, done.stdout)
    assert _left_behind(environment["TMPDIR"]) == []


def test_an_interrupted_demo_cleans_up(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        # The stack takes a moment; the title is the first line.
        running.stdout.readline()
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 130
    assert _left_behind(environment["TMPDIR"]) == []


def test_a_demo_that_cannot_start_says_why_in_one_line_and_keeps_the_logs(
    environment: dict[str, str], tmp_path: Path
) -> None:
    broken_api = 'import os, sys\nif "tagstream.api" in sys.orig_argv:\n    os._exit(3)\n'
    (tmp_path / "sitecustomize.py").write_text(broken_api)
    done = subprocess.run(
        COMMAND,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=BUDGET_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    said = re.fullmatch(
        r"tagstream: the demo failed: .*api-0 does not start.*; logs: (\S+)\n", done.stderr
    )
    assert said, done.stderr
    assert (Path(said[1]) / "api-0.log").exists()
    assert _left_behind(environment["TMPDIR"]) == [Path(said[1]).name]


def test_a_kept_stack_answers_until_ctrl_c(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "--keep"], env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        lines = iter(running.stdout.readline, "")
        shown = next((line for line in lines if line.startswith("export KUBECONFIG=")), "")
        kubeconfig = Path(shown.strip().removeprefix("export KUBECONFIG="))
        assert kubeconfig.exists(), "the story failed"
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 0
    assert _left_behind(environment["TMPDIR"]) == []
