"""How fast a filled outbox leaves: 20,000 facts written at once, until the stream has them all.

The yardstick is a bare JetStream publisher of the same bytes, pipelined, to a stream of the same
kind.
"""

from __future__ import annotations

import asyncio
import time
import uuid

import asyncpg
import nats
from nats.js import JetStreamContext

from bench.figures import Figure
from bench.load import median
from bench.world import World
from tagstream.bus.topology import EVENTS_STREAM, events_stream_config
from tagstream.events.facts import TagChanged
from tagstream.events.outgoing import subject_of

_FACTS = 20_000
_TIMEOUT_S = 60.0
_IN_FLIGHT = 512
_SCRATCH = "BENCH_SCRATCH"

# A namespace that holds nothing: consumers look, find no stream and are done.
_NOBODY = TagChanged(
    namespace="bench-nobody",
    stream="app",
    stream_uid=str(uuid.UUID(int=0)),
    tag="prod",
    new_image=f"sha256:{'a' * 64}",
    new_pull_spec=f"registry/app@sha256:{'a' * 64}",
)
_FILL = """
    WITH head AS (UPDATE journal_head SET position = position + $1 RETURNING position)
    INSERT INTO facts (position, number, id, type, subject, at, traceparent, data)
    SELECT head.position - $1 + n, 1, gen_random_uuid()::text, $2, $3, now(), '',
           jsonb_set($4::jsonb, '{position}', to_jsonb((head.position - $1 + n)::text))
    FROM head, generate_series(1, $1) AS n
"""


async def run(world: World) -> list[Figure]:
    state = world.stack.state
    nc = await nats.connect(state["nats_url"])
    try:
        js = nc.jetstream()
        rates = [await _relay(state["postgres_url"], js) for _ in range(world.settings.rounds)]
        bare = [await _publish(js) for _ in range(world.settings.rounds)]
    finally:
        await nc.close()
    return [
        Figure(
            f"relay, {_FACTS} facts waiting",
            f"{median(rates):.0f} facts/s",
            yardstick=f"bare JetStream publisher {median(bare):.0f}/s",
            ratio=median(rates) / median(bare),
            detail="while both consumers read them",
        )
    ]


async def _relay(url: str, js: JetStreamContext) -> float:
    before = (await js.stream_info(EVENTS_STREAM)).state.messages
    connection = await asyncpg.connect(url)
    data = _NOBODY.to_data()
    data |= {"occurredAt": "2026-01-01T00:00:00Z", "position": "0"}
    try:
        async with connection.transaction():
            text = _NOBODY.model_dump_json(by_alias=True)
            await connection.execute(
                _FILL, _FACTS, _NOBODY.TYPE, subject_of(_NOBODY.TYPE, data), text
            )
        began = time.perf_counter()
        await connection.execute("SELECT pg_notify('tagstream_journal', 'facts')")
    finally:
        await connection.close()
    while time.perf_counter() - began < _TIMEOUT_S:
        if (await js.stream_info(EVENTS_STREAM)).state.messages >= before + _FACTS:
            return _FACTS / (time.perf_counter() - began)
        await asyncio.sleep(0.02)
    raise TimeoutError(f"the stream did not get {_FACTS} facts in {_TIMEOUT_S:.0f} s")


async def _publish(js: JetStreamContext) -> float:
    config = events_stream_config(name=_SCRATCH, subjects="bench.scratch")
    await js.add_stream(config)
    payload = _NOBODY.model_dump_json(by_alias=True).encode()
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def publish() -> None:
        try:
            await js.publish("bench.scratch", payload, timeout=_TIMEOUT_S)
        finally:
            slots.release()

    try:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(_FACTS):
                await slots.acquire()
                group.create_task(publish())
        return _FACTS / (time.perf_counter() - began)
    finally:
        await js.delete_stream(_SCRATCH)
