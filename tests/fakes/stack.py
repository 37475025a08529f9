"""A whole stack as a user starts it, on free ports, for tests that are its clients.

Owns starting, finding it and stopping it. One stack serves many tests: each uses namespaces of its
own.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tagstream.embedded.state import load_state
from tagstream.kube.config import ClusterConfig, load_cluster_config

_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 40.0
_UP = (sys.executable, "-m", "tagstream.cli", "up")


@dataclass(slots=True)
class Stack:
    """A running `tagstream up`; see `start_stack`."""

    data_dir: Path
    url: str
    process: subprocess.Popen[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.data_dir / "kubeconfig"

    @property
    def cluster(self) -> ClusterConfig:
        """The same, parsed: what a `KubeClient` takes."""
        return load_cluster_config(self.kubeconfig, {})

    @property
    def nats_url(self) -> str:
        """Where to subscribe, password included."""
        state = load_state(self.data_dir / "state.json")
        assert state is not None
        return state.nats_url

    @property
    def postgres_url(self) -> str:
        """Its database, password included."""
        state = load_state(self.data_dir / "state.json")
        assert state is not None
        return state.postgres_url

    def logs(self, lines: int = 15) -> str:
        """The last lines of every service, for a failure's message."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in sorted((self.data_dir / "logs").glob("*.log"))
        )

    def stop(self) -> None:
        """Stop everything in an orderly way, or else by force. Safe to call twice."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_stack(data_dir: Path, *arguments: str) -> Stack:
    """Run `tagstream up` until it says it is ready.

    Raises RuntimeError with what it said when it ends early or takes longer than two minutes.
    """
    process = subprocess.Popen(
        [*_UP, "--data-dir", str(data_dir), "--port", "0", "--quiet", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TAGSTREAM_POSTGRES_URL": "", "TAGSTREAM_NATS_URL": ""},
        # Ctrl-C is for us, who stop it in order.
        start_new_session=True,
    )
    assert process.stdout is not None
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_collect, args=(process.stdout, said), daemon=True).start()
    stack = Stack(data_dir, "", process)
    output: list[str] = []
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            output.append(said.get(timeout=0.2))
        except queue.Empty:
            if process.poll() is not None:
                break
            continue
        if output[-1].startswith("ready "):
            stack.url = output[-1].split()[1]
            return stack
    stack.stop()
    raise RuntimeError(f"the stack did not become ready:\n{''.join(output)}\n{stack.logs()}")


def connect_to_stack(data_dir: Path) -> Stack:
    """A stack that somebody else started and will stop."""
    state = json.loads((data_dir / "state.json").read_text(encoding="utf-8"))
    return Stack(data_dir, state["api_url"])


def _collect(stream: IO[str], said: queue.Queue[str]) -> None:
    for line in stream:
        said.put(line)
