"""On random worlds: nothing that is used goes, and everything else that is old enough does.

Tags move and workloads appear between marking and sweeping, and during the sweep: before each of
its transactions, and inside one, when it has decided and not yet committed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.postgres import PostgresServer
from fakes.prune_model import (
    HOST,
    KINDS,
    NAMESPACE,
    OTHER_NAMESPACE,
    WATCHED,
    Items,
    Picture,
    Pod,
    World,
    by_digest,
    by_tag,
    expected_images,
    expected_items,
    from_below,
    home,
    pinned,
    pushed,
    used_images,
)
from fakes.prune_world import (
    NOW,
    add_pod,
    build,
    clear,
    histories_without,
    load_digests,
    load_histories,
    pin,
    push,
)
from tagstream.pruning import sweeping
from tagstream.pruning.applying import apply_images, apply_items
from tagstream.pruning.marking import Marked, mark
from tagstream.pruning.rules import PruneRules, rules_over_size_limit
from tagstream.pruning.runs import begin_run
from tagstream.pruning.sweeping import Sweep, Sweeper
from tagstream.store.database import Database
from tagstream.store.prune_marks import open_marks
from tagstream.streams.image_stream import ImageStream

# Long enough for a move that nothing holds up; one that waits for a lock goes on by itself.
_MOMENT_S = 0.05

# Most things are old and there, so that most worlds have something to prune.
ages = st.sampled_from([600, 600, 600, 61, 60, 30, 0, -30])
names = st.sampled_from(["a", "b", "c", "d", "e", "f"])
stream_names = st.sampled_from(["app", "db"])
tag_names = st.sampled_from(["1", "latest"])
items = st.lists(st.tuples(names | st.just(""), ages), max_size=5).map(tuple)
references = st.builds(by_tag, stream_names, tag_names) | st.builds(by_digest, stream_names, names)
namespaces = st.sampled_from([NAMESPACE, OTHER_NAMESPACE])
sizes = st.integers(1, 2)
limits = st.dictionaries(namespaces, sizes, min_size=1)
rules = st.builds(
    PruneRules,
    st.integers(0, 3),
    st.sampled_from([timedelta(0), timedelta(minutes=60)]),
    st.booleans(),
    namespace=st.just("") | namespaces,
) | st.builds(rules_over_size_limit, namespace=st.just("") | namespaces, all_images=st.booleans())


@st.composite
def workloads(draw: st.DrawFn, kinds: tuple[str, ...], prefix: str) -> tuple[Pod, ...]:
    return tuple(
        Pod(
            f"{prefix}{n}",
            image,
            draw(st.sampled_from(["Running", "Pending", "Succeeded"])),
            draw(ages),
            draw(st.sampled_from(("pods", *kinds))),
            draw(st.booleans()),
            draw(namespaces),
        )
        for n, image in enumerate(draw(st.lists(references, max_size=3)))
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    streams = {
        stream: (draw(ages), draw(st.dictionaries(tag_names, items, min_size=1, max_size=2)))
        for stream in ("app", "db")
    }
    children = st.lists(names, max_size=2, unique=True).map(tuple)
    found = tuple(
        Picture(
            name, draw(ages), draw(st.booleans()), draw(children) if name < "c" else (), draw(sizes)
        )
        for name in draw(st.sets(names, min_size=3))
    )
    pods = draw(workloads((*KINDS, WATCHED), "w"))
    pins = draw(st.lists(st.tuples(stream_names, names), max_size=1))
    return World(streams, found, pods, tuple(pins), draw(limits))


@dataclass(frozen=True)
class Move:
    """Something that happens meanwhile: in Postgres and in the model."""

    what: str
    act: Callable[[Database, World], Coroutine[Any, Any, None]] = field(repr=False)
    model: Callable[[World], World] = field(repr=False)
    pushed: str = ""


def push_move(stream: str, tag: str, name: str) -> Move:
    async def act(database: Database, world: World) -> None:
        await push(database, stream, tag, *_with_children(world, name))

    def model(world: World) -> World:
        return pushed(world, stream, tag, name)

    return Move(f"push {name} to {stream}:{tag}", act, model, pushed=name)


def pin_move(stream: str, name: str) -> Move:
    async def act(database: Database, world: World) -> None:
        await pin(database, stream, name, *_with_children(world, name))

    def model(world: World) -> World:
        return pinned(world, stream, name)

    return Move(f"pin {name} in {stream}", act, model)


def _with_children(world: World, name: str) -> list[Picture]:
    """An image as whoever brings it stores it: new if there is none of that name."""
    held = {one.name: one for one in world.pictures}
    found = held.get(name, Picture(name, 0))
    return [found, *(held[child] for child in found.children if child in held)]


def pod_move(pod: Pod) -> Move:
    async def act(database: Database, world: World) -> None:
        await add_pod(database, pod)

    return Move(str(pod), act, lambda world: replace(world, pods=(*world.pods, pod)))


pushes = st.builds(push_move, stream_names, tag_names, names)
stored = tuple(KINDS)


@st.composite
def moves(draw: st.DrawFn) -> list[Move]:
    """Workloads have names of their own."""
    appearing = [pod_move(pod) for pod in draw(workloads(stored, "late"))]
    others = draw(st.lists(pushes | st.builds(pin_move, stream_names, names), max_size=3))
    return draw(st.permutations([*appearing, *others]))


@pytest.fixture(scope="module")
def runner() -> Any:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer, runner: asyncio.Runner) -> Any:
    url = runner.run(postgres_server.create_database(template="migrated"))
    opened = runner.run(Database.connect(url, name="test"))
    yield opened
    runner.run(opened.close())
    runner.run(postgres_server.drop_database(url))


class Meanwhile:
    """Lets moves happen at points of a sweep, and keeps the worlds that there were.

    A due whole number is for somebody who comes for what is just going: one of the items that a
    transaction takes away, or one of `going`. `decided` is the world in which the sweep last
    took items from a stream, and the one to come if a move was under way: only Postgres knows
    whether it was committed by then. Workloads count up to the commit, images until the sweep has
    decided.
    `perhaps` are images that were pushed to a tag that named them already: whether that was before
    its item went, which means nothing, or after, which brings it back, the model cannot know.
    """

    def __init__(
        self, database: Database, world: World, due: Sequence[tuple[int, Move | int]] = ()
    ) -> None:
        self.worlds = [world]
        self.decided: dict[str, list[World]] = {}
        self.perhaps: set[str] = set()
        self.going: list[str] = []
        self._database = database
        self._due = list(due)
        self._points = 0
        self._clinging = itertools.count()
        self._one_by_one = asyncio.Lock()
        self._under_way: list[Move] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def point(
        self,
        stream: str = "",
        taken: Sequence[str] = (),
        *,
        patience_s: float | None = _MOMENT_S,
    ) -> None:
        """`taken` are images whose items of the stream are being removed. Where no move can have to
        wait for the sweep, all have happened afterwards: without limit to the patience."""
        self._points += 1
        now = [move for at, move in self._due if at == self._points]
        self._due = [(at, move) for at, move in self._due if at != self._points]
        chosen = [self._choose(move, stream, taken) for move in now]
        tasks = [asyncio.create_task(self._do(move)) for move in chosen if move is not None]
        self._tasks += tasks
        if tasks:
            await asyncio.wait(tasks, timeout=patience_s)

    def _choose(self, move: Move | int, stream: str, taken: Sequence[str]) -> Move | None:
        if isinstance(move, Move):
            return move
        if taken:
            image = f"{HOST}/{home(stream)}/{stream}@{taken[move % len(taken)]}"
            return pod_move(Pod(f"clinging{next(self._clinging)}", image))
        if not self.going:
            return None
        name = self.going[move % len(self.going)]
        return pin_move("db", name) if move % 2 else push_move("db", "1", name)

    async def _do(self, move: Move) -> None:
        async with self._one_by_one:
            self._under_way = [move]
            await move.act(self._database, self.worlds[-1])
            self._under_way = []
            before, after = self.worlds[-1], move.model(self.worlds[-1])
            if move.pushed and after == before:
                self.perhaps |= {move.pushed, *_children(before, move.pushed)}
            self.worlds.append(after)

    async def before_a_transaction(self, connection: object) -> None:
        await self.point()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """From now on there are points inside the transactions, too."""

        async def items(tx: Any, stream: ImageStream, gone: Any, *rest: Any) -> None:
            pictures = self.worlds[-1].pictures
            await self.point(stream.name, [item.image for item in gone])
            now = [self.worlds[-1], *(move.model(self.worlds[-1]) for move in self._under_way)]
            self.decided[stream.name] = [replace(world, pictures=pictures) for world in now]
            await apply_items(tx, stream, gone, *rest)

        async def images(tx: Any, *rest: Any) -> None:
            await self.point()
            await apply_images(tx, *rest)

        patch.setattr(sweeping, "apply_items", items)
        patch.setattr(sweeping, "apply_images", images)

    async def end(self) -> None:
        """The moves that no point came for, and those that still wait."""
        for _, move in self._due:
            if isinstance(move, Move):
                await self._do(move)
        await asyncio.gather(*self._tasks)


async def sweep(database: Database, rules: PruneRules, world: World, at: Meanwhile) -> Marked:
    run = await begin_run(database, rules, NOW)
    assert run is not None
    async with open_marks(database) as session:
        marked = await mark(session, rules, NOW)
        await at.point(patience_s=None)
        wanted = Sweep(run.id, "jane", "test", rules, "", at.before_a_transaction, lambda: NOW)
        with pytest.MonkeyPatch.context() as patch:
            at.watch(patch)
            await Sweeper(session, wanted, marked).run()
    await at.end()
    return marked


_GONE = """
    SELECT s.name, t.tag, t.height FROM (
        SELECT stream, tag, retired_by,
               row_number() OVER (PARTITION BY stream, tag ORDER BY seq) AS height
        FROM tag_items) t
    JOIN streams s ON s.uid = t.stream WHERE t.retired_by IS NOT NULL
"""


async def find_gone(database: Database) -> Items:
    """The items that were removed, counted from below."""
    async with database.connection() as connection:
        rows = await connection.fetch(_GONE)
    return {(row["name"], row["tag"], row["height"]) for row in rows}


async def find_left(database: Database, world: World) -> set[str]:
    async with database.connection() as connection:
        return await load_digests(connection, world)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds(), rules=rules, moves=moves())
def test_what_goes_is_what_the_model_says_with_tags_moved_between_mark_and_sweep(
    shared: Database, runner: asyncio.Runner, world: World, rules: PruneRules, moves: list[Move]
) -> None:
    async def work() -> None:
        await clear(shared)
        await build(shared, world)
        at = Meanwhile(shared, world, [(1, move) for move in moves])
        marked = await sweep(shared, rules, world, at)
        marked_items = expected_items(world, rules)
        marked_images = expected_images(world, rules, marked_items)
        assert marked.counts.items == len(marked_items)
        assert marked.counts.images == len(marked_images)
        after = at.worlds[-1]
        lifted = from_below(after, from_below(world, marked_items))
        gone = lifted & expected_items(after, rules)
        images = marked_images & expected_images(after, rules, gone)
        assert await load_histories(shared) == histories_without(after, gone)
        left = await find_left(shared, after)
        assert left == {one.name for one in after.pictures} - images

    runner.run(work())


points = st.integers(1, 6)
# The third is inside the transaction of the first stream that loses items.
_SOON = st.sampled_from([2, 3, 3, 4, 5])


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    world=worlds(),
    rules=rules,
    moves=moves(),
    clinging=st.lists(st.tuples(_SOON, st.integers(0, 9)), max_size=3),
    when=st.lists(points, min_size=6, max_size=6),
)
def test_nothing_that_comes_to_be_used_during_the_run_goes(
    shared: Database,
    runner: asyncio.Runner,
    world: World,
    rules: PruneRules,
    moves: list[Move],
    clinging: list[tuple[int, int]],
    when: list[int],
) -> None:
    async def work() -> None:
        await clear(shared)
        await build(shared, world)
        at = Meanwhile(shared, world, [*clinging, *zip(when, moves, strict=False)])
        at.going = sorted(expected_images(world, rules, expected_items(world, rules)))
        await sweep(shared, rules, world, at)
        gone = await find_gone(shared)
        check_items(at, rules, gone)
        check_images(at, rules, gone, await find_left(shared, at.worlds[-1]))

    runner.run(work())


def _children(world: World, name: str) -> set[str]:
    return {child for one in world.pictures if one.name == name for child in one.children}


def check_items(at: Meanwhile, rules: PruneRules, gone: Items) -> None:
    """What is gone was to go when the run began and when it was decided; what was to go at every
    moment is gone."""
    wanted = [from_below(world, expected_items(world, rules)) for world in at.worlds]
    assert gone <= wanted[0]
    for stream, worlds in at.decided.items():
        decided = [from_below(world, expected_items(world, rules)) for world in worlds]
        assert _of(stream, gone) <= set.union(*decided)
    assert gone >= set.intersection(*wanted)


def _of(stream: str, found: Items) -> Items:
    return {one for one in found if one[0] == stream}


def check_images(at: Meanwhile, rules: PruneRules, gone: Items, left: set[str]) -> None:
    """The same of images; and none is gone that anything names in the end."""
    first, last = at.worlds[0], at.worlds[-1]
    held = {one.name for one in last.pictures}
    assert used_images(last, from_below(last, gone)) & held <= left
    marked = expected_images(first, rules, expected_items(first, rules))
    assert {one.name for one in first.pictures} - left <= marked
    always = [expected_images(world, rules, from_below(world, gone)) for world in at.worlds]
    assert not (left - at.perhaps).intersection(marked, *always)
