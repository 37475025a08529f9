"""A whole stack to mistreat: its processes by name, a client that sees every refusal, and checks of
what was promised.

Owns killing, freezing and comparing. What moves the tags is `fakes.tag_movers`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import nats
import pytest
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig

from fakes.stack import Stack, start_stack
from tagstream.embedded.processes import load_pid
from tagstream.embedded.state import StackState, load_state
from tagstream.events.subjects import EVENTS_STREAM
from tagstream.kube.tls import build_ssl_context

REPLICAS = "api=2,tag-tracker=2"
# Short enough that a test sees a repair, long enough that what it repairs is seen as lost before.
_ENVIRONMENT = {"TAGSTREAM_IMPORT_RESYNC": "1", "TAGSTREAM_IMPORT_LOST_AFTER": "3"}
_RECOVERY_S = 60.0
_SLOW_S = 5.0
_AWAY = (503, 504)
_IS_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
)
_HELD = re.compile(r'^tagstream_lease_held\{lease="([^"]+)"\} 1\.0$', re.MULTILINE)


@contextmanager
def start_faulty_stack(
    replicas: str = REPLICAS, environment: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """A stack in a folder that Postgres' own user may enter; `environment` is added to ours."""
    folder = Path(tempfile.mkdtemp(prefix="tagstream-faults-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_ENVIRONMENT, **(environment or {})}.items():
            patch.setenv(name, value)
        stack = start_stack(folder / "data", "--replicas", replicas)
        try:
            yield stack
        finally:
            thaw(stack, *names(stack))
            stack.stop()
            if not os.environ.get("TAGSTREAM_TEST_KEEP"):
                shutil.rmtree(folder, ignore_errors=True)


def state(stack: Stack) -> StackState:
    """What the stack wrote down of itself."""
    found = load_state(stack.data_dir / "state.json")
    assert found is not None
    return found


def names(stack: Stack) -> list[str]:
    """Every child, in a fixed order: `api-0`, ..., `nats`, `postgres`, ..."""
    return sorted(path.stem for path in (stack.data_dir / "run").glob("*.pid"))


def pid_of(stack: Stack, name: str) -> int | None:
    """The child's process, or None while there is none."""
    process = load_pid(stack.data_dir / "run" / f"{name}.pid")
    return process.pid if process is not None else None


def kill(stack: Stack, name: str) -> bool:
    """SIGKILL; `postgres-backend` means one session of the server. False when nobody was there."""
    pid = _backend(stack) if name == "postgres-backend" else pid_of(stack, name)
    return pid is not None and _signal(pid, signal.SIGKILL)


def freeze(stack: Stack, name: str) -> None:
    """SIGSTOP: connections stay open and nothing is answered."""
    pid = pid_of(stack, name)
    assert pid is not None
    assert _signal(pid, signal.SIGSTOP)


def thaw(stack: Stack, *which: str) -> None:
    """SIGCONT, also to those that were never frozen."""
    for name in which:
        pid = pid_of(stack, name)
        if pid is not None:
            _signal(pid, signal.SIGCONT)


def kill_everything(stack: Stack) -> None:
    """SIGKILL to the supervisor and all of its children, the sessions of Postgres included."""
    assert stack.process is not None
    children = [pid for pid in (pid_of(stack, name) for name in names(stack)) if pid]
    postmaster = pid_of(stack, "postgres")
    sessions = _children(postmaster) if postmaster else []
    for pid in (stack.process.pid, *children, *sessions):
        _signal(pid, signal.SIGKILL)
    stack.process.wait()


def start_again(stack: Stack) -> None:
    """A fresh `up` on the same directory and port."""
    port = str(urlsplit(stack.url).port)
    again = start_stack(stack.data_dir, "--replicas", REPLICAS, "--port", port)
    stack.process, stack.url = again.process, again.url


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _backend(stack: Stack) -> int | None:
    postmaster = pid_of(stack, "postgres")
    for pid in _children(postmaster) if postmaster else []:
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"tagstream tagstream" in title:
            return pid
    return None


@contextmanager
def away(stack: Stack, name: str) -> Iterator[None]:
    """The child is killed and not started again before the end of the block."""
    assert stack.process is not None
    supervisor = stack.process.pid
    _signal(supervisor, signal.SIGSTOP)
    try:
        assert kill(stack, name)
        yield
    finally:
        _signal(supervisor, signal.SIGCONT)


def readiness(stack: Stack, name: str) -> tuple[int, str]:
    """Code and text of a service's /readyz; 0 when nobody answers."""
    port = state(stack).health_ports[name]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3) as answer:
            return 200, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def metrics_of(stack: Stack, name: str) -> str:
    """A service's /metrics; empty when nobody answers."""
    port = state(stack).health_ports[name]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


async def lease_holders(stack: Stack) -> dict[str, str]:
    """The replica that holds each lease, as the replicas say it."""
    found: dict[str, str] = {}
    for name in state(stack).health_ports:
        text = await asyncio.to_thread(metrics_of, stack, name)
        found |= dict.fromkeys(_HELD.findall(text), name)
    return found


async def until_ready(stack: Stack, timeout_s: float = _RECOVERY_S) -> None:
    """Return when every service says that it is ready. Fails with what the others say."""

    async def ask() -> str:
        answers = {
            name: await asyncio.to_thread(readiness, stack, name)
            for name in state(stack).health_ports
        }
        return "; ".join(f"{n}: {text}" for n, (code, text) in answers.items() if code != 200)

    await until_silent(ask, "every service is ready", timeout_s)


async def until_silent(
    complain: Callable[[], Awaitable[str]],
    wish: str,
    timeout_s: float = _RECOVERY_S,
    *,
    pause_s: float = 0.2,
) -> float:
    """Ask until there is no complaint; how many seconds it took. Fails with the last complaint."""
    started, last = time.monotonic(), ""
    while True:
        try:
            complaint = await complain()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error) as error:
            complaint = repr(error)
        took_s = time.monotonic() - started
        if not complaint:
            if took_s > _SLOW_S:
                print(f"after {took_s:.1f} s: {wish}; before: {last}")
            return took_s
        last = complaint
        assert took_s < timeout_s, f"not after {timeout_s} s: {wish}; {complaint}"
        await asyncio.sleep(pause_s)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the api said."""

    code: int
    headers: dict[str, str]
    body: dict[str, Any]
    took_s: float


class Client:
    """The administrator, one request at a time and no retry unless asked for."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._session = session
        self.refusals: list[str] = []
        self.slow: list[tuple[float, str]] = []

    async def once(self, method: str, path: str, body: object = None) -> Answer:
        """Raises OSError or aiohttp's own errors when there is no answer."""
        started = time.monotonic()
        headers = {"Accept": "application/json"}
        async with self._session.request(
            method, self._stack.url + path, json=body, headers=headers
        ) as answer:
            content = await answer.json(content_type=None)
            took_s = time.monotonic() - started
            return Answer(answer.status, dict(answer.headers), content, took_s)

    async def sure(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        repeats: tuple[int, ...] = (),
        done: tuple[int, ...] = (),
    ) -> Answer:
        """Repeats until there is a success; a refusal that does not say that a server is away, or
        is none of `repeats`, fails the test. After a lost answer, `done` say that it happened.
        """
        lost, started = False, time.monotonic()
        while True:
            try:
                answer = await self.once(method, path, body)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.refusals.append(type(error).__name__)
                lost = True
            else:
                if answer.code < 300 or (lost and answer.code in done):
                    if (took_s := time.monotonic() - started) > _SLOW_S:
                        self.slow.append((took_s, f"{method} {path}"))
                    return answer
                # A connection to Postgres that broke during the commit is answered so, too.
                lost = lost or answer.code in _AWAY
                assert answer.code in (*_AWAY, *repeats), (method, path, answer)
                self.refusals.append(str(answer.code))
            await asyncio.sleep(0.1)


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[Client]:
    """A client with connections of its own."""
    connector = aiohttp.TCPConnector(ssl=build_ssl_context(stack.cluster), limit=64)
    limits = aiohttp.ClientTimeout(total=45, connect=5)
    async with aiohttp.ClientSession(connector=connector, timeout=limits) as session:
        yield Client(stack, session)


Place = tuple[int, int, str]
"""Position, number and id of a fact."""


async def stored_facts(stack: Stack) -> list[Place]:
    """What Postgres has, in order."""
    rows = await query(stack, "SELECT position, number, id FROM facts ORDER BY position, number")
    return [(row["position"], row["number"], row["id"]) for row in rows]


async def query(stack: Stack, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """Rows, over a connection of their own; asks again while a killed server is on its way back.

    Services may call themselves ready before they have noticed that it died.
    """
    started = time.monotonic()
    while True:
        try:
            return await _query_once(stack, sql, *arguments)
        except _IS_AWAY:
            if time.monotonic() - started > _RECOVERY_S:
                raise
            await asyncio.sleep(0.1)


async def _query_once(stack: Stack, sql: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(state(stack).postgres_url, timeout=5)
    try:
        return list(await connection.fetch(sql, *arguments, timeout=10))
    finally:
        await connection.close(timeout=5)


async def published_events(stack: Stack) -> list[Place]:
    """What the stream of events holds, in its order, read as an outsider does."""
    client = await nats.connect(
        state(stack).nats_url, allow_reconnect=False, connect_timeout=3, error_cb=_ignore
    )
    try:
        jetstream = client.jetstream()
        wanted = (await jetstream.stream_info(EVENTS_STREAM)).state.messages
        config = ConsumerConfig(ack_policy=AckPolicy.NONE)
        reader = await jetstream.pull_subscribe("", stream=EVENTS_STREAM, config=config)
        places: list[Place] = []
        while len(places) < wanted:
            try:
                batch = await reader.fetch(500, timeout=2)
            except NatsTimeout:
                break
            places += [_place_of(message.headers or {}) for message in batch]
        return places
    finally:
        await client.close()


def _place_of(headers: dict[str, str]) -> Place:
    return (
        int(headers["Tagstream-Position"]),
        int(headers["Tagstream-Number"]),
        headers["ce-id"],
    )


async def _ignore(_: Exception) -> None:
    """The exception is raised as well."""


async def until_published(stack: Stack, timeout_s: float = _RECOVERY_S) -> list[Place]:
    """Return when the stream of events is exactly the facts, in their order."""
    last: list[Place] = []

    async def differ() -> str:
        nonlocal last
        facts, last = await stored_facts(stack), await published_events(stack)
        ids = [place[2] for place in last]
        twice = (
            sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []
        )
        assert not twice, f"published twice: {twice}"
        assert last == sorted(last), "published out of order"
        return "" if facts == last else f"{len(facts)} facts, {len(last)} events"

    await until_silent(differ, "events are the facts", timeout_s)
    return last
