"""Debian's `docker-registry` binary on a free port, for tests against the real thing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagstream.embedded.ports import choose_ports

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def find_binary() -> str | None:
    """Where it is installed; None when it is not."""
    return shutil.which("docker-registry")


@contextmanager
def run_docker_registry(folder: Path) -> Iterator[str]:
    """Run it on `folder` until the block ends; yields `127.0.0.1:port`."""
    binary = find_binary()
    if binary is None:
        raise RuntimeError("docker-registry is not installed: apt-get install docker-registry")
    (port,) = choose_ports([0])
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(root=folder / "data", port=port))
    process = subprocess.Popen(
        [binary, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"docker-registry ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("docker-registry did not listen within 30 s")
