"""The soak in short: `make soak` is for minutes and hours, this is so that it cannot rot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("soak")

_ROOT = Path(__file__).parents[2]
_SOAK = (sys.executable, "-m", "bench.soak", "--minutes", "0.4", "--kill-every", "6")
_TIMEOUT_S = 240.0


def test_nothing_is_lost_or_doubled_while_processes_die() -> None:
    done = subprocess.run(
        _SOAK, cwd=_ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "nothing lost, nothing twice" in done.stdout
