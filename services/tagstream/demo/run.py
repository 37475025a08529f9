"""The wiring: stack, registry, clients and story, in the order in which they need each other.

Owns the way out: whatever happens, the processes end and the temporary directory goes.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import time
from contextlib import AsyncExitStack

import nats.errors

from tagstream.demo.aftermath import Scene, tell_the_rest
from tagstream.demo.failures import DemoFailed
from tagstream.demo.narration import Narrator, duration
from tagstream.demo.objects import NAMESPACE
from tagstream.demo.registry import DemoRegistry
from tagstream.demo.stack import DemoStack
from tagstream.demo.story import Stage, tell
from tagstream.demo.subscriber import subscribe
from tagstream.demo.workload import watch_image
from tagstream.errors import TagstreamError
from tagstream.kube.client import KubeClient
from tagstream.kube.config import load_cluster_config

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_demo(*, keep: bool = False) -> None:
    """Tell the whole story; with `keep`, then wait for Ctrl-C.

    Raises `DemoFailed` if a step did not happen, `KeyboardInterrupt` when asked to stop before the
    end.
    """
    try:
        asyncio.run(_run(Narrator(), keep))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _run(narrator: Narrator, keep: bool) -> None:
    _cancel_on_signals()
    started_at = time.monotonic()
    async with DemoStack() as stack:
        try:
            async with AsyncExitStack() as open_until_end:
                await _perform(narrator, stack, open_until_end)
                took = duration(time.monotonic() - started_at)
                narrator.title(f"Every step happened and was checked, in {took}.")
                if keep:
                    await _wait(narrator, stack)
        except (TagstreamError, OSError, nats.errors.Error) as error:
            raise _failure(stack, error) from error


async def _perform(narrator: Narrator, stack: DemoStack, open_until_end: AsyncExitStack) -> None:
    narrator.title("Tagstream: import a tag, move it, and watch a workload follow")
    command = f"tagstream up --data-dir {stack.directory} --port 0"
    with narrator.step("Start PostgreSQL, NATS and the services", command) as step:
        url = await stack.start()
        step.say(f"ready at {url}")
    registry = await open_until_end.enter_async_context(DemoRegistry())
    cluster = load_cluster_config(stack.kubeconfig, {})
    kube = await open_until_end.enter_async_context(KubeClient(cluster))
    subscriber = await open_until_end.enter_async_context(subscribe(stack.nats_url, NAMESPACE))
    images = await open_until_end.enter_async_context(watch_image(kube))
    kept = await tell(Stage(kube, registry.host, images, subscriber, narrator))
    await tell_the_rest(Scene(kube, cluster, stack.directory, kept, narrator))


async def _wait(narrator: Narrator, stack: DemoStack) -> None:
    narrator.line(f"export KUBECONFIG={shlex.quote(str(stack.kubeconfig))}")
    narrator.line(f"tagstream events --follow --data-dir {shlex.quote(str(stack.directory))}")
    narrator.line("The stack and the registry run until Ctrl-C, which removes them.", "dim")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # Being asked to stop is the normal end here.
        return


def _failure(stack: DemoStack, error: Exception) -> DemoFailed:
    reason = f"the demo failed: {error or type(error).__name__}"
    logs = stack.save_logs()
    if logs is None:
        return DemoFailed(reason)
    # The stack's own directory goes; what the message says about its logs must stay true.
    return DemoFailed(f"{reason.replace(str(stack.logs), str(logs))}; logs: {logs}")


def _cancel_on_signals() -> None:
    """The first signal ends the story; while we clean up, more of them change nothing."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
