"""The real `kubectl` against a running stack: finding the binaries and running them.

Owns the process only. `TAGSTREAM_KUBECTL` (default: the one on PATH) and `TAGSTREAM_KUBECTL_NEW`
name an old and a current release.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


class CommandFailed(AssertionError):
    """A command that had to succeed did not."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One binary, one kubeconfig, one namespace."""

    binary: str
    kubeconfig: Path
    cache: Path
    namespace: str

    @property
    def minor(self) -> int:
        """The N of its version 1.N."""
        told = json.loads(self("version", "--client", "-o", "json"))
        return int(told["clientVersion"]["minor"].rstrip("+"))

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it printed on standard output; raises CommandFailed unless it exits with 0."""
        said = self.attempt(*arguments, stdin=stdin)
        if said.code:
            raise CommandFailed(f"kubectl {' '.join(arguments)}: {said.code}\n{said.err}{said.out}")
        return said.out

    def attempt(self, *arguments: str, stdin: str = "") -> Said:
        """Run it, however it ends."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env=self.environment(),
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def refuse(self, *arguments: str, stdin: str = "") -> str:
        """What it said on standard error when it failed, as it must."""
        said = self.attempt(*arguments, stdin=stdin)
        assert said.code != 0, f"kubectl {' '.join(arguments)} succeeded: {said.out}"
        return said.err

    def read(self, *arguments: str) -> Any:
        """The object or list that `get ... -o json` prints."""
        return json.loads(self("get", *arguments, "-o", "json"))

    def wait_for(self, holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Poll until it holds; raises AssertionError with `what` when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            time.sleep(0.1)

    def command(self, *arguments: str) -> list[str]:
        """The whole command line, for callers that run it themselves."""
        return [
            *(self.binary, f"--cache-dir={self.cache}", f"--namespace={self.namespace}"),
            *arguments,
        ]

    def environment(self) -> dict[str, str]:
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.cache),
            "PATH": os.environ.get("PATH", ""),
        }


def find_kubectls() -> dict[str, str | None]:
    """The binaries by what they are called in test names; None where one is missing."""
    return {
        "installed": os.environ.get("TAGSTREAM_KUBECTL") or shutil.which("kubectl"),
        "current": os.environ.get("TAGSTREAM_KUBECTL_NEW") or None,
    }
