"""The services as the stack sees them: names, replicas, command lines and environment.

Owns the names of the environment variables that `tagstream up` sets; each service's settings read
them. Pure apart from the interpreter's own path.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tagstream.embedded.failures import SetupError

SERVICES = ("api", "importer", "tag-tracker", "trigger-dispatcher", "samples-manager", "pruner")
MOST_REPLICAS = 16
_COUNTS = frozenset(map(str, range(1, MOST_REPLICAS + 1)))


@dataclass(frozen=True, slots=True)
class Shared:
    """What the environments of all services are made from.

    `installs_samples` makes the first Config of the samples Managed.
    """

    postgres_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    log_level: str
    api_host: str
    api_port: int
    api_url: str
    server_certificate: Path
    server_key: Path
    ca_certificate: Path
    token_key: Path
    secret_key: Path
    dispatcher_kubeconfig: Path
    samples_kubeconfig: Path
    installs_samples: bool = False


def parse_replicas(values: Iterable[str]) -> dict[str, int]:
    """How many of each service to run, one unless said: `api=2,importer=3`, given once or more.

    Raises `SetupError` naming what is wrong.
    """
    replicas: dict[str, int] = {}
    for part in (part.strip() for value in values for part in value.split(",")):
        name, separator, count = (piece.strip() for piece in part.partition("="))
        if not separator or not name:
            raise SetupError(f"--replicas {part!r} must look like SERVICE=N, for example api=2")
        if name not in SERVICES:
            raise SetupError(
                f"--replicas names an unknown service {name!r}; known are {', '.join(SERVICES)}"
            )
        if name in replicas:
            raise SetupError(f"--replicas names {name} twice; say once how many to run")
        if count not in _COUNTS:
            raise SetupError(
                f"--replicas {name}={count[:20]} must be a whole number from 1 to {MOST_REPLICAS}"
            )
        replicas[name] = int(count)
    return dict.fromkeys(SERVICES, 1) | replicas


def replica_names(replicas: Mapping[str, int]) -> list[tuple[str, str]]:
    """Service and replica of each process, in the order of `SERVICES`: `("api", "api-0")`, ..."""
    return [
        (service, f"{service}-{index}")
        for service in SERVICES
        for index in range(replicas.get(service, 0))
    ]


def module_command(module: str) -> list[str]:
    """The command line that runs `tagstream.<module>`.

    `-P` keeps the current folder off the import path: a stray `random.py` there must not matter.
    """
    return [sys.executable, "-P", "-m", f"tagstream.{module}"]


def service_module(service: str) -> str:
    return service.replace("-", "_")


def service_environment(
    service: str, replica: str, health_port: int, shared: Shared
) -> dict[str, str]:
    """What is added to our own environment for one process."""
    common = {
        "TAGSTREAM_POSTGRES_URL": shared.postgres_url,
        "TAGSTREAM_NATS_URL": shared.nats_url,
        "TAGSTREAM_LOG_LEVEL": shared.log_level,
        "TAGSTREAM_HEALTH_HOST": "127.0.0.1",
        "TAGSTREAM_HEALTH_PORT": str(health_port),
        "TAGSTREAM_REPLICA": replica,
    }
    return common | _ADDITIONS[service](shared)


def _api(shared: Shared) -> dict[str, str]:
    return {
        "TAGSTREAM_API_HOST": shared.api_host,
        "TAGSTREAM_API_PORT": str(shared.api_port),
        "TAGSTREAM_API_TLS_CERT_FILE": str(shared.server_certificate),
        "TAGSTREAM_API_TLS_KEY_FILE": str(shared.server_key),
        "TAGSTREAM_API_CLIENT_CA_FILE": str(shared.ca_certificate),
        "TAGSTREAM_API_TOKEN_KEY_FILE": str(shared.token_key),
        **_secret_key(shared),
    }


def _secret_key(shared: Shared) -> dict[str, str]:
    return {"TAGSTREAM_SECRET_KEY_FILE": str(shared.secret_key)}


def _trigger_dispatcher(shared: Shared) -> dict[str, str]:
    return {"TAGSTREAM_KUBECONFIG": str(shared.dispatcher_kubeconfig)}


def _samples_manager(shared: Shared) -> dict[str, str]:
    # Without the flag the user's own environment decides.
    wished = {"TAGSTREAM_SAMPLES": "managed"} if shared.installs_samples else {}
    return {"TAGSTREAM_KUBECONFIG": str(shared.samples_kubeconfig)} | wished


_ADDITIONS: Mapping[str, Callable[[Shared], dict[str, str]]] = {
    "api": _api,
    "importer": _secret_key,
    "tag-tracker": _secret_key,
    "trigger-dispatcher": _trigger_dispatcher,
    "samples-manager": _samples_manager,
    "pruner": lambda shared: {},
}
