"""The `tagstream` command against real servers, and against servers that it must refuse."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest

from fakes.nats_server import NatsServer
from fakes.postgres import PostgresServer
from tagstream.bus.topology import ensure_streams
from tagstream.events.envelope import CloudEvent, to_headers
from tagstream.events.subjects import event_subject

_TYPE = "dev.tagstream.tag.changed.v1"


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.stop()


def _arguments(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tagstream.cli", *arguments]


def _environment(url: str, postgres_url: str = "") -> dict[str, str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TAGSTREAM_NATS_URL": url}
    return environment | ({"TAGSTREAM_POSTGRES_URL": postgres_url} if postgres_url else {})


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _arguments(*arguments),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


async def _publish(url: str, namespace: str, position: int) -> None:
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_streams(js)
    data = {"namespace": namespace, "stream": "app", "tag": "1.0", "position": str(position)}
    event = CloudEvent(
        id=f"{namespace}-{position}",
        source="/tagstream",
        type=_TYPE,
        time=datetime.now(UTC),
        data=json.dumps(data).encode(),
    )
    headers = {**to_headers(event), "Tagstream-Position": str(position)}
    await js.publish(event_subject(_TYPE, namespace, "app", "1.0"), event.data, headers=headers)
    await client.close()


async def test_stored_events_are_shown_filtered_and_the_command_ends(
    nats_server: NatsServer,
) -> None:
    for position, namespace in enumerate(("one", "two", "one"), start=1):
        await _publish(nats_server.url, namespace, position)
    environment = _environment(nats_server.url)

    everything = _run(environment, "events")
    assert everything.returncode == 0, everything.stderr
    assert [line.split()[2] for line in everything.stdout.splitlines()] == [
        "one/app:1.0",
        "two/app:1.0",
        "one/app:1.0",
    ]
    answer = _run(environment, "events", "-n", "one", "--since", "2", "--type", _TYPE, "-o", "json")
    assert [json.loads(line)["id"] for line in answer.stdout.splitlines()] == ["one-3"]
    assert not _run(environment, "events", "-n", "nowhere").stdout

    client = await nats.connect(nats_server.url)
    assert not await client.jetstream().consumers_info("TAGSTREAM_EVENTS")
    await client.close()


async def test_following_survives_a_killed_server(nats_server: NatsServer, tmp_path: Path) -> None:
    await _publish(nats_server.url, "before", 1)
    output = tmp_path / "output"
    with output.open("wb") as file:
        follower = subprocess.Popen(  # noqa: ASYNC220 - starting it takes no time
            _arguments("events", "--follow", "--since", "1h", "-n", "follow"),
            env=_environment(nats_server.url),
            stdout=file,
        )
    try:
        await _publish(nats_server.url, "follow", 2)
        _wait_for(output, lines=1)
        nats_server.restart()
        await _publish(nats_server.url, "follow", 3)
        _wait_for(output, lines=2)
    finally:
        follower.terminate()
        follower.wait()


def _wait_for(output: Path, lines: int) -> None:
    deadline = time.monotonic() + 30
    while len(output.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)


class _OldNats(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b'INFO {"version":"2.9.25","jetstream":true}\r\n')


@pytest.fixture
def old_nats_url() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _OldNats) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"nats://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_old_nats_server_is_refused_in_one_line(old_nats_url: str, tmp_path: Path) -> None:
    environment = _environment(old_nats_url, "postgresql://u:hush@127.0.0.1:1/d")
    answer = _run(environment, "up", "--port", "0", "--data-dir", str(tmp_path / "d"))
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "2.9.25 is too old" in answer.stderr or "TAGSTREAM_POSTGRES_URL" in answer.stderr
    assert "hush" not in answer.stderr


@pytest.mark.parametrize("command", [["events"], ["up", "--port", "0"]])
def test_an_absent_server_is_named_without_its_password(command: list[str], tmp_path: Path) -> None:
    environment = _environment("nats://u:hush@127.0.0.1:1", "postgresql://u:hush@127.0.0.1:1/d")
    answer = _run(environment, *command, "--data-dir", str(tmp_path / "d"))
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "TAGSTREAM_" in answer.stderr
    assert "hush" not in answer.stderr


async def test_doctor_sees_a_relay_that_is_ahead_and_a_schema_that_is_missing(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    await _publish(nats_server.url, "doctor", 9)
    postgres = PostgresServer.start(tmp_path / "postgres")
    try:
        environment = _environment(nats_server.url, postgres.url)
        before = _findings(environment)
        assert before["migrations"] == "fail"
        assert before["relay"] == "warn"
        migrated = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
            [sys.executable, "-m", "tagstream.store.migrate"], env=environment, check=False
        )
        assert migrated.returncode == 0
        after = _findings(environment)
        assert after["migrations"] == after["clock of nats"] == after["clock of postgres"] == "ok"
        assert after["stream TAGSTREAM_EVENTS"] == "warn"
        assert after["relay"] == "fail"
    finally:
        postgres.stop()


def _findings(environment: dict[str, str]) -> dict[str, str]:
    answer = _run(environment, "doctor", "-o", "json", "--data-dir", "/nonexistent")
    assert answer.returncode == 1, answer.stderr
    return {finding["check"]: finding["level"] for finding in json.loads(answer.stdout)}
