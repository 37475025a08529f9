"""One soak: a stack, its load and its killer for so long, then peace, then the books.

Owns the order. What is compared is audit.py's, how it is printed `__main__`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.figures import Figure
from bench.soak.audit import Finding, audit
from bench.soak.killing import kill_for_ever
from bench.soak.load import SoakLoad
from bench.soak.memory import Memory
from fakes.outside_subscriber import Subscriber
from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import (
    connected,
    query,
    start_faulty_stack,
    state,
    until_published,
    until_ready,
    until_silent,
)

REPLICAS = "api=2,importer=2,tag-tracker=2,trigger-dispatcher=2"
_ENVIRONMENT = {"TAGSTREAM_SCHEDULED_IMPORT_MINIMUM_INTERVAL": "4"}
_UNTOLD = "SELECT count(*) FROM trigger_intents"
_PEACE_S = 90.0
# Shorter runs do not see memory settle: it is told, not judged.
_JUDGES_MEMORY_FROM_S = 240.0


@dataclass(frozen=True, slots=True)
class SoakSettings:
    """Durations in seconds, `rate` in moves a second, `report_s` between two lines."""

    seconds: float
    seed: int
    kill_every_s: float = 10.0
    rate: float = 40.0
    report_s: float = 10.0


@dataclass(slots=True)
class Soak:
    """What is counted while it runs."""

    settings: SoakSettings
    load: SoakLoad
    subscriber: Subscriber
    killed: Counter[str] = field(default_factory=Counter)
    memory: Memory = field(default_factory=Memory)
    settled_s: float = 0.0

    @property
    def stack(self) -> Stack:
        return self.load.stack


async def run_soak(settings: SoakSettings, say: Callable[[str], None]) -> list[Figure]:
    """The table's lines. The stack is stopped whatever happens."""
    with ExitStack() as held:
        registry = FakeRegistry()
        registry.start_in_thread()
        held.callback(registry.stop_in_thread)
        stack = await _start(held)
        load = SoakLoad(stack, registry, settings.seed, settings.rate)
        soak = Soak(settings, load, Subscriber(state(stack).nats_url))
        say(f"stack ready, {len(state(stack).health_ports)} services")
        return await _run(soak, say)


async def _start(held: ExitStack) -> Stack:
    """Whoever stops us meanwhile must not find a stack left behind."""
    entering = asyncio.to_thread(held.enter_context, start_faulty_stack(REPLICAS, _ENVIRONMENT))
    starting = asyncio.create_task(entering)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await starting
        raise


async def _run(soak: Soak, say: Callable[[str], None]) -> list[Figure]:
    async with connected(soak.stack) as client:
        await soak.load.prepare(client)
    listening = asyncio.create_task(soak.subscriber.run())
    try:
        problem = await _load_and_kill(soak, say)
        if problem:
            findings = [Finding("the load", "failed", [problem])]
        else:
            findings = [await _peace(soak), *await audit(soak.stack, soak.load, soak.subscriber)]
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return [_told(soak), *map(_judged, findings), _memory(soak)]


async def _load_and_kill(soak: Soak, say: Callable[[str], None]) -> str:
    """Run the load beside the killer; what went wrong with the load, if anything did."""
    settings, stop = soak.settings, asyncio.Event()
    beside = [
        asyncio.create_task(
            kill_for_ever(soak.stack, settings.seed, settings.kill_every_s, soak.killed)
        ),
        asyncio.create_task(_report(soak, say)),
    ]
    loading = asyncio.create_task(soak.load.run(stop))
    try:
        await asyncio.wait(
            [loading, *beside], timeout=settings.seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        stop.set()
        for task in beside:
            task.cancel()
        ended = await asyncio.gather(*beside, return_exceptions=True)
        if asyncio.current_task().cancelling():  # type: ignore[union-attr]
            loading.cancel()
        (result,) = await asyncio.gather(loading, return_exceptions=True)
    failures = [error for error in (result, *ended) if isinstance(error, Exception)]
    return "; ".join(map(_explain, failures))


def _explain(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(_explain, error.exceptions))
    return f"{type(error).__name__}: {error}"[:1000]


async def _report(soak: Soak, say: Callable[[str], None]) -> None:
    began, load = time.monotonic(), soak.load
    assert soak.stack.process is not None
    pid = soak.stack.process.pid
    while True:
        await asyncio.sleep(soak.settings.report_s)
        at_s = time.monotonic() - began
        await asyncio.to_thread(soak.memory.sample, pid, at_s)
        say(
            f"{at_s:4.0f} s  {load.acknowledged} writes, {await _count_facts(soak)} facts, "
            f"{len(soak.subscriber.events)} heard, {soak.killed.total()} killed, "
            f"{load.done['prunes']} prunes, {len(load.deleted)} streams gone, "
            f"{soak.memory.total_mib:.0f} MiB"
        )


async def _count_facts(soak: Soak) -> str:
    try:
        return str((await query(soak.stack, "SELECT count(*) FROM facts"))[0][0])
    except Exception:
        # Whatever a killed Postgres makes of the question: the next line has a number again.
        return "?"


async def _peace(soak: Soak) -> Finding:
    """Wait until everything has followed; what has not."""
    stack, load, heard = soak.stack, soak.load, soak.subscriber.events

    async def unheard() -> str:
        count = (await query(stack, "SELECT count(*) FROM facts"))[0][0]
        return "" if len(heard) >= count else f"{len(heard)} of {count} events are heard"

    async def untold() -> str:
        """Who died after a patch has it told by another one, 10 s later."""
        count = (await query(stack, _UNTOLD))[0][0]
        return f"{count} patches may have to be told" if count else ""

    try:
        await until_ready(stack, _PEACE_S)
        async with connected(stack) as client:
            took_s = await until_silent(
                lambda: load.unsettled(client), "everything follows", _PEACE_S
            )
            await until_silent(untold, "every patch is told", _PEACE_S)
            took_s += await until_silent(unheard, "every event is heard", _PEACE_S)
            await until_published(stack, _PEACE_S)
    except AssertionError as error:
        return Finding("everything follows", "no", [str(error)])
    return Finding("everything follows", f"{took_s:.1f} s after the load ended")


def _told(soak: Soak) -> Figure:
    load, refusals = soak.load, Counter(soak.load.world.promises.refusals)
    slow = load.world.promises.slow
    slowest = max(slow, default=None)
    asked = {f"{what} x{count}" for what, count in refusals.items()}
    killed = ", ".join(f"{name} x{count}" for name, count in sorted(soak.killed.items()))
    done = ", ".join(f"{count} {what}" for what, count in sorted(load.done.items()))
    return Figure(
        "load",
        f"{load.acknowledged} writes, {soak.killed.total()} kills",
        detail=f"killed: {killed or 'nobody'}; {done}; "
        f"asked again after: {', '.join(sorted(asked)) or 'nothing'}; done only after 5 s and "
        f"more: {len(slow)}" + (f", slowest {slowest[0]:.0f} s {slowest[1]}" if slowest else ""),
    )


def _judged(finding: Finding) -> Figure:
    return Figure(
        finding.name, finding.compared, "nothing wrong", not finding.wrong, detail=finding.detail
    )


def _memory(soak: Soak) -> Figure:
    trends = soak.memory.trends()
    judged = soak.settings.seconds >= _JUDGES_MEMORY_FROM_S and bool(trends)
    growing = [trend.name for trend in trends if not trend.is_flat]
    return Figure(
        "memory (PSS of one process), second quarter -> last",
        "flat" if trends and not growing else ", ".join(growing) or "too short to tell",
        "flat",
        not growing if judged else None,
        detail=", ".join(trend.line() for trend in trends) + (" MiB" if trends else ""),
    )
