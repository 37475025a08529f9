"""Looks at the samples whenever something changed, and acts until nothing is left to do.

Owns the order of a step (actions first, then the status that says they are done) and the pauses.
Level-triggered: a change is only a reason to look at everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import replace

import structlog

from tagstream.errors import Conflict, InvalidInput, TagstreamError
from tagstream.samples_manager.actions import Action
from tagstream.samples_manager.bootstrap import build_first_config, needs_promotion
from tagstream.samples_manager.cluster import (
    CONFIGS,
    IMPORTS,
    is_passing,
    load_config,
    load_world,
    perform,
    reason_of,
    save_finalizers,
    save_status,
)
from tagstream.samples_manager.cluster_operator import Seen
from tagstream.samples_manager.config import Config, State, print_status
from tagstream.samples_manager.deps import Deps
from tagstream.samples_manager.following import follow_all
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.library import LibraryError, fingerprint, load_library
from tagstream.samples_manager.objects import CONFIG_NAME, SAMPLES_NAMESPACE, JsonObject, name_of
from tagstream.samples_manager.reconcile import Plan, decide, decide_failure
from tagstream.samples_manager.reporting import put_no_metrics, report
from tagstream.telemetry import metrics, names

_CONCURRENT_WRITES = 4
_CONCURRENT_IMPORTS = 2
_PAUSE_S = 1.0
_LIBRARY_LOOK_S = 3.0
_LONGEST_PAUSE_S = 30.0
# More than any chain of steps has; beyond it the next change goes on.
_MOST_STEPS = 12

_log = structlog.get_logger(__name__)


class Keeper:
    """Keeps the samples while it runs; one process at a time does."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._changed = asyncio.Event()
        self._writes = asyncio.Semaphore(_CONCURRENT_WRITES)
        self._imports = asyncio.Semaphore(_CONCURRENT_IMPORTS)
        self._importing: dict[str, asyncio.Task[None]] = {}
        self._library: tuple[object, Library | str] | None = None

    async def run(self) -> None:
        """For ever."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(follow_all(self._deps.kube, self._changed.set))
                group.create_task(self._follow_library())
                group.create_task(self._keep())
        finally:
            for task in self._importing.values():
                task.cancel()
            put_no_metrics()

    async def _keep(self) -> None:
        failures = 0
        while True:
            self._changed.clear()
            try:
                await self.settle()
                failures = 0
            except TagstreamError as error:
                failures += 1
                log = _log.warning if failures == 3 else _log.debug
                log("the samples cannot be looked after, trying again", error=str(error))
            # The first change of many is acted upon at once, the rest of them together.
            pause_s = _PAUSE_S if not failures else min(_LONGEST_PAUSE_S, 2.0**failures)
            await asyncio.sleep(pause_s)
            if not failures:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._deps.resync_s):
                        await self._changed.wait()

    async def settle(self) -> None:
        """Act until nothing is left to do. Raises TagstreamError for what may pass by itself."""
        for _ in range(_MOST_STEPS):
            if not await self._step():
                return

    async def _step(self) -> bool:
        """One look; whether another one is due at once."""
        deps, now = self._deps, self._deps.clock()
        config = await load_config(deps.kube, now)
        if config is None:
            await deps.kube.create(CONFIGS, None, build_first_config(deps.wished, deps.machine))
            _log.info("config made", state=deps.wished.value)
            return True
        if needs_promotion(config, deps.wished):
            patch = {"spec": {"managementState": State.MANAGED.value}}
            await deps.kube.patch(CONFIGS, None, CONFIG_NAME, patch)
            return True
        library = await asyncio.to_thread(self._load_library, config)
        plan = decide(await load_world(deps.kube, config, library, now))
        if plan.actions and not await deps.is_ours():
            # Frozen or cut off meanwhile: what was decided is no longer ours to do.
            raise Conflict("the lease is held by another process")
        try:
            await self._perform(plan.actions)
        except TagstreamError as error:
            if is_passing(error):
                raise
            status = decide_failure(config.status, reason_of(error), str(error), now)
            await self._save(config, replace(plan, status=status, finalizers=None))
            raise
        await self._save(config, plan)
        for retry in plan.retries:
            self._ask_for_import(retry)
        return plan.again

    def _load_library(self, config: Config) -> Library | str:
        """The library as it is now, or why it cannot be used."""
        directory, architectures = self._deps.library, config.spec.architectures
        seen = (fingerprint(directory), architectures)
        if self._library is None or self._library[0] != seen:
            found: Library | str
            try:
                found = load_library(directory, architectures)
            except LibraryError as error:
                _log.warning("library refused", problems=list(error.problems)[:10])
                found = str(error)
            self._library = (seen, found)
        return self._library[1]

    async def _follow_library(self) -> None:
        """Looks again once the files have changed and then kept still for one look."""
        known = before = await asyncio.to_thread(fingerprint, self._deps.library)
        while True:
            await asyncio.sleep(_LIBRARY_LOOK_S)
            now = await asyncio.to_thread(fingerprint, self._deps.library)
            if now == before and now != known:
                known = now
                self._changed.set()
            before = now

    async def _perform(self, actions: Iterable[Action]) -> None:
        """All of them, even when some fail; raises the gravest error."""
        actions = tuple(actions)
        if not actions:
            return
        done = await asyncio.gather(*map(self._perform_one, actions), return_exceptions=True)
        errors = [error for error in done if isinstance(error, BaseException)]
        counts = Counter(
            f"{action.verb} {action.target}: {action.reason}"
            for action, error in zip(actions, done, strict=True)
            if error is None
        )
        if counts:
            _log.info("samples put right", done=dict(counts), failed=len(errors))
        for error in errors:
            if not isinstance(error, TagstreamError) or not is_passing(error):
                raise error
        if errors:
            raise errors[0]

    async def _perform_one(self, action: Action) -> None:
        async with self._writes:
            await perform(self._deps.kube, action)

    async def _save(self, config: Config, plan: Plan) -> None:
        kube = self._deps.kube
        if print_status(plan.status) != config.body.get("status"):
            await save_status(kube, config, plan.status)
        if plan.finalizers is not None:
            await save_finalizers(kube, plan.finalizers)
        library = self._library[1] if self._library is not None else ""
        release = library.version if isinstance(library, Library) else plan.status.version
        seen = Seen(config, plan.status, release, plan.asked_at)
        await report(kube, seen, library, self._deps.clock())

    def _ask_for_import(self, retry: JsonObject) -> None:
        """In the background: an import waits for its registry, and nothing may wait for that."""
        name = name_of(retry)
        if name not in self._importing:
            task = asyncio.create_task(self._import(retry), name=f"import {name}")
            self._importing[name] = task
            metrics.add(names.SAMPLES_RETRIES, imagestreamname=name)
            task.add_done_callback(lambda _: self._importing.pop(name, None))

    async def _import(self, retry: JsonObject) -> None:
        async with self._imports:
            await _unless_refused(
                self._deps.kube.create(IMPORTS, SAMPLES_NAMESPACE, retry), name_of(retry)
            )


async def _unless_refused(importing: Awaitable[object], stream: str) -> None:
    try:
        await importing
    except InvalidInput as error:
        _log.warning("import of a sample refused", stream=stream, error=str(error))
    except TagstreamError as error:
        # The stream's conditions tell what went wrong; the next retry is due in ten minutes.
        _log.debug("import of a sample not done", stream=stream, error=str(error))
