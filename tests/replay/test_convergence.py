"""Every recorded history again, with its messages doubled, reordered, interrupted and lost.

From a recording only the inputs are taken: requests of the api, ticks of the schedule, runs of the
pruner, and when a registry began to answer something else. They are put to a fresh database in
their order, through the api's storages and the store; all that followed from messages is left to
the real handlers, behind a bus that

- hands each message out one to three times;
- lets messages of different lanes pass each other, and within a lane those that failed or are
  handed out again (with one replica), or that another replica is busy with (with more);
- kills a handler before its commit, or after it so that the message comes again;
- for some seeds loses messages, which the services' resync functions have to make up for;

and the cluster whose workloads follow is away at times: it refuses, hangs up, or patches and is not
heard. Each of its patches must be told by exactly one `trigger.fired`.

**What must be the same.** Of each stream: the spec (all but generations), which tags wait for an
import, the heads, and for each tag the digests and pull specs of its history in their order, and
why its last import failed; which images are stored; the image of every container that follows a
tag. Generations and times are no part of it: an import that lands before a write instead of after
it takes the lower generation, and nothing is wrong with that. Besides, what happened must replay
exactly, whatever it was.

**What may differ, and why.** A write can overtake the result of an import: the tag was deleted, or
means something else, before the result was applied, which therefore counts for nothing. Whether it
does is a race that either may win. Where the recording has the write first, the image *may be in
the history as well, below its head*, and be stored. Nothing else may.

**When inputs do not wait** (odd seeds) they are given although what had followed by then in the
recording has not, as if a message took longer than a quarter of an hour. Then a registry can change
its mind before anybody looked: two imports see the newer build, or one import is enough for two
ticks; and a tag can be changed before its import ended. So below its head a history *may lack
images that came by imports*, and these need not be stored; one may stand there under the name of
the repository where it was found first. The order of the others stays, and everything else holds
as above. An input still waits if its author must have seen something: a tag
that names a digest or another stream's tag, a push, a run of the pruner. At the end each schedule
is due once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from fakes.convergence.bus import Perturbation
from fakes.convergence.comparing import Allowance, differences
from fakes.convergence.faults import BrittleDatabase
from fakes.convergence.playing import Stage, play_script
from fakes.convergence.script import read_script
from fakes.histories.all import HISTORIES, read_history
from fakes.postgres import PostgresServer
from fakes.service_world import open_cluster
from tagstream.store.database import Database

SEEDS = 20


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def stage(postgres_server: PostgresServer, runner: asyncio.Runner) -> Iterator[Stage]:
    url = runner.run(postgres_server.create_database(template="migrated"))
    stack = AsyncExitStack()

    async def open_stage() -> Stage:
        cluster, kube = await stack.enter_async_context(open_cluster())
        steady = await Database.connect(url, name="test")
        stack.push_async_callback(steady.close)
        brittle = await BrittleDatabase.connect(url, name="test")
        stack.push_async_callback(brittle.close)
        assert isinstance(brittle, BrittleDatabase)
        return Stage(steady, brittle, cluster, kube)

    yield runner.run(open_stage())
    runner.run(stack.aclose())
    runner.run(postgres_server.drop_database(url))


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_ends_the_same_whatever_the_bus_does(
    name: str, stage: Stage, runner: asyncio.Runner
) -> None:
    script = read_script(read_history(name))
    for seed in range(SEEDS):
        how = Perturbation.of(seed)
        played = runner.run(play_script(stage, script, how))
        missing = script.imported if how.late else set()
        allowed = Allowance(missing, script.overtaken, script.unused)
        found = differences(script.expected, played.outcome, allowed)
        assert not found, "\n".join([f"{how}", *found, *played.story])
