"""What `tagstream up` runs: servers, migration and services in order, until a signal ends them.

Owns the order and the wiring. Does not print: the caller is told what happens.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from tagstream.embedded.access import (
    DISPATCHER_ACCOUNT,
    SAMPLES_ACCOUNT,
    save_admin_kubeconfig,
    save_service_kubeconfig,
)
from tagstream.embedded.certificates import Pki, ensure_pki
from tagstream.embedded.datadir import DataDir, DataDirLock, open_data_dir
from tagstream.embedded.external import (
    check_nats_server,
    check_postgres_version,
    fetch_nats_server,
    fetch_postgres_version,
)
from tagstream.embedded.nats import NatsServer, build_nats
from tagstream.embedded.ports import choose_ports, claim_api_port
from tagstream.embedded.postgres import PostgresCluster, build_postgres, ensure_cluster
from tagstream.embedded.processes import stop_orphans
from tagstream.embedded.readiness import fetch_service_ready
from tagstream.embedded.services import (
    SERVICES,
    Shared,
    module_command,
    replica_names,
    service_environment,
    service_module,
)
from tagstream.embedded.state import StackState, load_state, save_state
from tagstream.embedded.supervisor import ProcessSpec, Supervisor, run_to_end

_SERVERS, _SERVICES = 0, 1
_MIGRATION_TIMEOUT_S = 120.0


class Narrator(Protocol):
    """Told what happens, for a person to read."""

    def step(self, text: str) -> None:
        """Something is being done now."""

    def notice(self, text: str) -> None:
        """Something happened that should be seen: a process died."""

    def ready(self, url: str, directory: DataDir) -> None:
        """Everything runs."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The URLs are empty for embedded servers. `command` gives the command line of a module.

    `samples` installs the sample streams, unless a person has already decided about them.
    """

    data_dir: Path
    host: str
    port: int
    replicas: Mapping[str, int]
    log_level: str = "info"
    postgres_url: str = field(default="", repr=False)
    nats_url: str = field(default="", repr=False)
    samples: bool = False
    command: Callable[[str], Sequence[str]] = module_command


async def run_stack(options: StackOptions, narrator: Narrator) -> None:
    """Run a stack until SIGINT, SIGTERM or SIGHUP. Raises `SetupError` if it cannot start."""
    directory = open_data_dir(options.data_dir)
    lock = DataDirLock(directory)
    lock.acquire()
    supervisor = Supervisor(directory.run, directory.logs, narrator.notice)
    try:
        for name in await asyncio.to_thread(stop_orphans, directory.run):
            narrator.notice(f"stopped {name}, left over from a stack that was killed")
        stack = _Stack(options, directory, supervisor, narrator)
        await _until_signal(stack.start())
    finally:
        narrator.step("stopping")
        await supervisor.stop()
        lock.release()


async def _until_signal(start: Coroutine[None, None, None]) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            # Asked twice: leave at once. The children die with us; nothing answered is lost.
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    # `nohup` ignores it before it starts us, and means it.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, on_signal)
    starting = asyncio.create_task(start)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopped
    finally:
        for task in (starting, stopped):
            task.cancel()
        await asyncio.gather(starting, stopped, return_exceptions=True)


class _Stack:
    def __init__(
        self,
        options: StackOptions,
        directory: DataDir,
        supervisor: Supervisor,
        narrator: Narrator,
    ) -> None:
        self._options = options
        self._directory = directory
        self._supervisor = supervisor
        self._narrator = narrator

    async def start(self) -> None:
        options = self._options
        port = claim_api_port(options.host, options.port)
        state = decide_state(load_state(self._directory.state_file), options, port)
        save_state(self._directory.state_file, state)
        self._narrator.step("starting PostgreSQL and NATS")
        make_pki = asyncio.to_thread(ensure_pki, self._directory.pki, options.host)
        pki = (await _all(make_pki, self._start_postgres(state), self._start_nats(state)))[0]
        assert isinstance(pki, Pki)
        save_admin_kubeconfig(self._directory, pki, state.api_url)
        self._narrator.step("bringing the database up to date")
        await self._migrate(state)
        self._narrator.step("starting the services")
        await self._start_services(state, pki, port)
        self._narrator.ready(state.api_url, self._directory)

    async def _start_postgres(self, state: StackState) -> None:
        if self._options.postgres_url:
            check_postgres_version(await fetch_postgres_version(state.postgres_url))
            return
        cluster = _cluster(self._directory, state)
        await ensure_cluster(cluster)
        await self._supervisor.start(build_postgres(cluster), stage=_SERVERS)

    async def _start_nats(self, state: StackState) -> None:
        if self._options.nats_url:
            check_nats_server(await fetch_nats_server(state.nats_url))
            return
        server = _nats(self._directory, state)
        await self._supervisor.start(build_nats(server), stage=_SERVERS)

    async def _migrate(self, state: StackState) -> None:
        await run_to_end(
            "migrate",
            self._options.command("store.migrate"),
            {**os.environ, "TAGSTREAM_POSTGRES_URL": state.postgres_url},
            self._directory.logs,
            _MIGRATION_TIMEOUT_S,
        )

    async def _start_services(self, state: StackState, pki: Pki, port: int) -> None:
        shared = _shared(self._options, self._directory, state, pki, port)
        specs: dict[str, list[ProcessSpec]] = {service: [] for service in SERVICES}
        for service, replica in replica_names(self._options.replicas):
            health_port = state.health_ports[replica]
            specs[service].append(self._service_spec(service, replica, health_port, shared))

        alone = specs["importer"] + specs["tag-tracker"] + specs["pruner"]

        async def client(service: str, account: str, kubeconfig: Path) -> None:
            await save_service_kubeconfig(kubeconfig, pki, state.api_url, account)
            await self._start_each(specs[service])

        async def api_then_clients() -> None:
            await self._start_each(specs["api"])
            # These are clients of the api like any other; each needs a token from it.
            await _all(
                client("trigger-dispatcher", DISPATCHER_ACCOUNT, shared.dispatcher_kubeconfig),
                client("samples-manager", SAMPLES_ACCOUNT, shared.samples_kubeconfig),
            )

        await _all(api_then_clients(), self._start_each(alone))

    async def _start_each(self, specs: Sequence[ProcessSpec]) -> None:
        await _all(*(self._supervisor.start(spec, stage=_SERVICES) for spec in specs))

    def _service_spec(
        self, service: str, replica: str, health_port: int, shared: Shared
    ) -> ProcessSpec:
        return ProcessSpec(
            name=replica,
            argv=self._options.command(service_module(service)),
            environment={
                **os.environ,
                **service_environment(service, replica, health_port, shared),
            },
            probe=partial(fetch_service_ready, "127.0.0.1", health_port),
        )


def decide_state(known: StackState | None, options: StackOptions, port: int) -> StackState:
    """The state for this start: remembered ports where they are free, the others chosen anew."""
    state = known or StackState()
    names = [replica for _, replica in replica_names(options.replicas)]
    wanted = [state.postgres_port, state.nats_port]
    wanted += [state.health_ports.get(name, 0) for name in names]
    # The api's own port is bound later; none of the others may be given it.
    wanted = [0 if number == port else number for number in wanted]
    postgres_port, nats_port, *health_ports = choose_ports(wanted)
    state = replace(
        state,
        postgres_port=postgres_port,
        nats_port=nats_port,
        health_ports=dict(zip(names, health_ports, strict=True)),
        api_url=api_url(options.host, port),
    )
    directory = DataDir(options.data_dir)
    return replace(
        state,
        postgres_url=options.postgres_url or _cluster(directory, state).url,
        nats_url=options.nats_url or _nats(directory, state).url,
    )


def api_url(host: str, port: int) -> str:
    """The address to hand out: a wildcard address is reached over loopback."""
    if host in ("", "0.0.0.0"):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _cluster(directory: DataDir, state: StackState) -> PostgresCluster:
    return PostgresCluster(directory.postgres, state.postgres_port, state.postgres_password)


def _nats(directory: DataDir, state: StackState) -> NatsServer:
    return NatsServer(directory.nats, state.nats_port, state.nats_password)


def _shared(
    options: StackOptions, directory: DataDir, state: StackState, pki: Pki, port: int
) -> Shared:
    return Shared(
        postgres_url=state.postgres_url,
        nats_url=state.nats_url,
        log_level=options.log_level,
        api_host=options.host,
        api_port=port,
        api_url=state.api_url,
        server_certificate=pki.server_certificate,
        server_key=pki.server_key,
        ca_certificate=pki.ca_certificate,
        token_key=pki.token_key,
        secret_key=pki.secret_key,
        dispatcher_kubeconfig=directory.dispatcher_kubeconfig,
        samples_kubeconfig=directory.samples_kubeconfig,
        installs_samples=options.samples,
    )


async def _all(*work: Coroutine[None, None, object]) -> list[object]:
    """Results in order; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
