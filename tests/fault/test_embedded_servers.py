"""The embedded stack is killed in every way and loses nothing: real servers, tiny services."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest

from fakes import stack_driver
from fakes.postgres import PostgresServer
from tagstream.embedded.privileges import CAP_DAC_READ_SEARCH, RunAs, become, load_libc
from tagstream.embedded.processes import identify, load_pid

# Far more than it takes: how soon is not asked here.
_READY_TIMEOUT_S = 90.0
_NOBODY = 65534


class _Stack:
    """A stack run by `stack_driver`, seen from outside."""

    def __init__(self, folder: Path, run_as: RunAs | None = None) -> None:
        self.folder = folder
        self.output = folder.with_name(f"{folder.name}.out")
        libc = load_libc()

        def prepare() -> None:
            if run_as is not None and libc is not None:
                become(run_as, libc)

        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, stack_driver.__file__, "up", str(folder)],
                stdout=output,
                stderr=output,
                preexec_fn=prepare,
            )

    def wait_until_ready(self, times: int = 1) -> None:
        self.wait_for("ready ", times)

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while self.output.read_text().count(text) < times:
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.02)

    def state(self) -> dict[str, str]:
        state: dict[str, str] = json.loads((self.folder / "state.json").read_text())
        return state

    def children(self) -> dict[str, int]:
        found = {path.stem: load_pid(path) for path in (self.folder / "run").glob("*.pid")}
        return {name: process.pid for name, process in found.items() if process is not None}

    def owners(self) -> set[int]:
        return {Path(f"/proc/{pid}").stat().st_uid for pid in self.children().values()}

    def kill_all(self) -> None:
        for pid in (self.process.pid, *self.children().values()):
            # Children may already have died with the supervisor.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> float:
        """Seconds that an orderly stop took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=30) == 0, self.output.read_text()
        return time.monotonic() - started


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place with spaces that every user can reach (pytest's own is private)."""
    top = Path(tempfile.mkdtemp(prefix="tagstream test "))
    top.chmod(0o777)
    yield top / "my data"
    shutil.rmtree(top)


async def _write(state: dict[str, str]) -> None:
    connection = await asyncpg.connect(state["postgres_url"])
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await connection.close()
    client = await nats.connect(state["nats_url"])
    js = client.jetstream()
    await js.add_stream(name="KEPT", subjects=["kept"])
    await js.publish("kept", b"1")
    await client.close()


async def _count(state: dict[str, str]) -> tuple[int, int]:
    connection = await asyncpg.connect(state["postgres_url"])
    rows: int = await connection.fetchval("SELECT count(*) FROM kept")
    await connection.close()
    client = await nats.connect(state["nats_url"])
    messages = (await client.jetstream().stream_info("KEPT")).state.messages
    await client.close()
    return rows, messages


async def test_what_was_written_survives_kill_9_of_everything(folder: Path) -> None:
    stack = _Stack(folder)
    stack.wait_until_ready()
    assert set(stack.children()) == {
        "postgres",
        "nats",
        "api-0",
        "api-1",
        "importer-0",
        "tag-tracker-0",
        "trigger-dispatcher-0",
        "samples-manager-0",
        "pruner-0",
    }
    before = stack.state()
    await _write(before)
    stack.kill_all()

    again = _Stack(folder)
    again.wait_until_ready(times=2)
    assert again.state()["postgres_url"] == before["postgres_url"]
    assert await _count(again.state()) == (1, 1)
    assert again.stop() < 5
    assert again.children() == {}


@pytest.mark.parametrize("victim", ["postgres", "nats", "api-0"])
async def test_a_killed_process_is_started_again(folder: Path, victim: str) -> None:
    stack = _Stack(folder)
    stack.wait_until_ready()
    await _write(stack.state())
    old = stack.children()[victim]
    os.kill(old, signal.SIGKILL)
    stack.wait_for(f"notice {victim} ended (killed by SIGKILL), starting it again")
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while True:
        try:
            assert await _count(stack.state()) == (1, 1)
            assert stack.children()[victim] != old
            break
        except (OSError, KeyError, asyncpg.PostgresError, nats.errors.Error):
            assert time.monotonic() < deadline, stack.output.read_text()
            await asyncio.sleep(0.1)
    stack.stop()


async def test_children_die_with_a_killed_supervisor(folder: Path) -> None:
    stack = _Stack(folder)
    stack.wait_until_ready()
    children = stack.children()
    stack.process.kill()
    stack.process.wait()
    deadline = time.monotonic() + 30
    while alive := [name for name, pid in children.items() if identify(pid) is not None]:
        assert time.monotonic() < deadline, alive
        await asyncio.sleep(0.02)


async def test_a_supervisor_that_starts_at_once_after_a_kill_finds_its_way(folder: Path) -> None:
    stack = _Stack(folder)
    stack.wait_until_ready()
    await _write(stack.state())
    stack.process.kill()
    again = _Stack(folder)
    again.wait_until_ready(times=2)
    assert await _count(again.state()) == (1, 1)
    again.stop()
    stack.process.wait()


def test_a_second_stack_on_the_directory_is_refused_in_one_line(folder: Path) -> None:
    stack = _Stack(folder)
    stack.wait_until_ready()
    answer = subprocess.run(
        [sys.executable, "-m", "tagstream.cli", "up", "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert f"in use by another stack (process {stack.process.pid})" in answer.stderr
    stack.stop()


def _sleeper(owner: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None)


async def test_a_pid_file_that_now_means_another_process_is_no_obstacle(folder: Path) -> None:
    stack = _Stack(folder)
    stack.wait_until_ready()
    await _write(stack.state())
    stack.kill_all()
    pid_file = folder / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    # Of the same user as the server, or PostgreSQL itself sees that it cannot be one.
    bystander = _sleeper(pid_file.stat().st_uid)
    pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
    again = _Stack(folder)
    try:
        again.wait_until_ready(times=2)
        assert await _count(again.state()) == (1, 1)
        again.stop()
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_service_that_cannot_start_stops_the_start_with_its_last_words(
    folder: Path,
) -> None:
    # A folder where the dispatcher's kubeconfig belongs: the stack cannot write it.
    (folder / "dispatcher.kubeconfig" / "x").mkdir(parents=True)
    stack = _Stack(folder)
    assert stack.process.wait(timeout=_READY_TIMEOUT_S) != 0
    assert "dispatcher.kubeconfig" in stack.output.read_text()
    assert stack.children() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_it_runs_as_an_ordinary_user(folder: Path) -> None:
    # The capability stands in for an interpreter that the user could read, which a checkout under
    # /root is not; the user id, which everything here depends on, is an ordinary one.
    stack = _Stack(folder, RunAs(_NOBODY, _NOBODY, CAP_DAC_READ_SEARCH))
    stack.wait_until_ready()
    await _write(stack.state())
    assert stack.owners() == {_NOBODY}
    stack.kill_all()
    again = _Stack(folder, RunAs(_NOBODY, _NOBODY, CAP_DAC_READ_SEARCH))
    again.wait_until_ready(times=2)
    assert await _count(again.state()) == (1, 1)
    again.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a private folder to hide it in")
async def test_root_may_keep_it_in_a_private_folder(folder: Path) -> None:
    private = folder.parent / "private"
    private.mkdir(mode=0o700)
    stack = _Stack(private / "data")
    stack.wait_until_ready()
    await _write(stack.state())
    assert private.stat().st_mode & 0o777 == 0o700
    stack.stop()


async def test_the_test_server_survives_a_kill_and_copies_databases(folder: Path) -> None:
    server = PostgresServer.start(folder)
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await connection.close()
    server.kill()
    server.resume()
    copy = await server.create_database(template="tagstream")
    connection = await asyncpg.connect(copy)
    assert await connection.fetchval("SELECT count(*) FROM kept") == 1
    await connection.close()
    await server.drop_database(copy)
    server.stop()
