"""The questions doctor asks: Postgres, NATS, the services, the disk. Each answers with findings.

Owns the asking; doctor_report.py judges. A server that does not answer is a finding, not an error.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from tagstream.cli.doctor_report import (
    Finding,
    Level,
    judge_clock,
    judge_disk,
    judge_lag,
    judge_migrations,
    judge_prune,
    judge_pruner,
    judge_samples,
    judge_services,
    judge_streams,
)
from tagstream.cli.nats_connection import nats_connection
from tagstream.embedded.external import (
    check_nats_server,
    check_postgres_version,
    fetch_nats_server,
    fetch_postgres_version,
)
from tagstream.embedded.readiness import fetch_service_ready
from tagstream.errors import TagstreamError
from tagstream.kube.client import KubeClient
from tagstream.kube.config import load_cluster_config
from tagstream.pruning.image_pruner import GROUP, NAME, RESOURCE, find_problem
from tagstream.samples_manager.cluster import load_config
from tagstream.store.database import Connection
from tagstream.store.migrate import load_migrations
from tagstream.store.prune import load_last_run

_EVENTS = "TAGSTREAM_EVENTS"
_STREAMS = (_EVENTS, "TAGSTREAM_JOBS")

_APPLIED = "SELECT name FROM schema_migrations"
_IMAGE_PRUNER = (
    "SELECT body::text FROM resources WHERE api_group = $1 AND resource = $2 AND name = $3"
)
_NEWEST_FACT = "SELECT coalesce(max(position), 0) FROM facts"


async def check_postgres(url: str) -> tuple[list[Finding], int | None]:
    """Findings, and the position of the newest fact if it could be read."""
    try:
        version = await fetch_postgres_version(url)
        check_postgres_version(version)
    except TagstreamError as error:
        return [Finding("postgres", Level.FAIL, str(error))], None
    findings = [Finding("postgres", Level.OK, f"{version // 10000}.{version % 10000}")]
    try:
        connection = await asyncpg.connect(url, timeout=5, command_timeout=5)
        try:
            findings.append(await _postgres_clock(connection))
            migrations, newest = await _schema(connection)
            pruner = await _pruner(connection)
        finally:
            await connection.close(timeout=2)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [*findings, Finding("postgres", Level.FAIL, f"a query failed: {error}")], None
    return [*findings, migrations, *pruner], newest


async def _postgres_clock(connection: Connection) -> Finding:
    started = time.time()
    server_time: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return judge_clock("postgres", server_time.timestamp() - (started + time.time()) / 2)


async def _schema(connection: Connection) -> tuple[Finding, int | None]:
    known = [migration.name for migration in load_migrations()]
    try:
        applied = [row["name"] for row in await connection.fetch(_APPLIED)]
        newest: int = await connection.fetchval(_NEWEST_FACT)
    except asyncpg.UndefinedTableError:
        return judge_migrations([], known), None
    return judge_migrations(applied, known), newest


async def _pruner(connection: Connection) -> list[Finding]:
    """The ImagePruner if it cannot be followed, and the last scheduled run if there was one;
    nothing without their tables."""
    try:
        run = await load_last_run(connection)
        pruner = await connection.fetchval(_IMAGE_PRUNER, GROUP, RESOURCE, NAME)
    except asyncpg.UndefinedTableError:
        return []
    problem = find_problem(orjson.loads(pruner)) if pruner is not None else ""
    findings = [judge_pruner(problem)] if problem else []
    if run is not None:
        findings.append(judge_prune(run.started_at, run.finished_at, run.error))
    return findings


async def check_nats(url: str) -> tuple[list[Finding], int | None]:
    """Findings, and the position of the newest event if it could be read."""
    try:
        greeting = await fetch_nats_server(url)
        check_nats_server(greeting)
        findings = [Finding("nats", Level.OK, greeting.version)]
        async with nats_connection(url) as client:
            js = client.jetstream(timeout=5)
            findings.append(await _nats_clock(client))
            counts = {name: await _consumers(js, name) for name in _STREAMS}
            findings += judge_streams(counts)
            newest = None if counts[_EVENTS] is None else await _newest_event(js)
    except TagstreamError as error:
        return [Finding("nats", Level.FAIL, str(error))], None
    return findings, newest


async def _nats_clock(client: Client) -> Finding:
    # Every answer of JetStream's account and stream queries carries the server's time.
    started = time.time()
    answer = await client.request("$JS.API.STREAM.INFO." + _EVENTS, b"", timeout=5)
    middle = (started + time.time()) / 2
    server_time = parse_server_time(answer.data)
    if server_time is None:
        return Finding("clock of nats", Level.WARN, "unknown until the streams exist")
    return judge_clock("nats", server_time.timestamp() - middle)


def parse_server_time(answer: bytes) -> datetime | None:
    """The `ts` of a JetStream answer, or `None` if it has none."""
    text = orjson.loads(answer).get("ts", "")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


async def _consumers(js: JetStreamContext, stream: str) -> int | None:
    try:
        found = await js.consumers_info(stream)
    except NotFoundError:
        return None
    # Others come and go: people who follow the events.
    return sum(1 for consumer in found if consumer.config.durable_name)


async def _newest_event(js: JetStreamContext) -> int:
    last = (await js.stream_info(_EVENTS)).state.last_seq
    if not last:
        return 0
    try:
        message = await js.get_msg(_EVENTS, seq=last)
    except NotFoundError:
        return 0
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    position = headers.get("tagstream-position", "0")
    return int(position) if position.isdigit() else 0


def not_running(place: str) -> Finding:
    return Finding("stack", Level.FAIL, f"none runs on {place}", "start it with `tagstream up`")


async def check_services(health_ports: Mapping[str, int]) -> list[Finding]:
    ready = {
        name: await fetch_service_ready("127.0.0.1", port) for name, port in health_ports.items()
    }
    return judge_services(ready)


async def check_samples(kubeconfig: Path) -> Finding:
    """What the samples' Config says of itself."""
    try:
        async with KubeClient(load_cluster_config(kubeconfig, {}), timeout_s=5) as client:
            found = await load_config(client, datetime.now(UTC))
    except TagstreamError as error:
        return Finding("samples", Level.WARN, f"the api cannot be asked: {error}")
    return judge_samples(None if found is None else found.status)


def check_disk(path: Path) -> Finding:
    return judge_disk(str(path), shutil.disk_usage(path).free)


def check_relay(newest_fact: int | None, newest_event: int | None) -> Finding:
    if newest_fact is None or newest_event is None:
        fix = "put right what failed above"
        return Finding("relay", Level.WARN, "cannot be judged", fix)
    return judge_lag(newest_fact, newest_event)
