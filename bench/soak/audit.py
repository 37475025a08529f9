"""The books at the end: what was promised, stored, told and patched, one beside the other.

Owns the comparisons; each says in words what is lost or doubled, and where. The first few are told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson

from bench.soak.load import SoakLoad
from fakes.outside_subscriber import Heard, Subscriber, hash_data
from fakes.stack import Stack
from fakes.stack_faults import query, until_silent
from tagstream.events.facts import TagChanged, TagDeleted, TriggerFired

_MOST_TOLD = 5
_HEARD_WITHIN_S = 10.0

_FACTS = "SELECT id, type, data::text AS data FROM facts ORDER BY position, number"
_ITEMS = """
    SELECT stream::text AS stream, tag, image, reference, retired_by IS NULL AS live
    FROM tag_items ORDER BY stream, tag, seq
"""
_GONE = """
    SELECT DISTINCT i.image FROM tag_items i
    WHERE i.retired_by IS NULL AND i.image <> '' AND i.stream IN (SELECT uid FROM streams)
      AND NOT EXISTS (SELECT FROM images m WHERE m.digest = i.image)
"""
_WORKLOADS = """
    SELECT name, body #>> '{spec,template,spec,containers,0,image}' AS image
    FROM changes WHERE resource = 'deployments' AND namespace = $1 ORDER BY position
"""
_HEAD = "SELECT position FROM journal_head"
_LETTERS = "SELECT consumer, error FROM dead_letters"


@dataclass(slots=True)
class Finding:
    """One comparison: how many were compared, and what is wrong with some."""

    name: str
    compared: str
    wrong: list[str] = field(default_factory=list)

    @property
    def detail(self) -> str:
        more = len(self.wrong) - _MOST_TOLD
        told = "; ".join(self.wrong[:_MOST_TOLD])
        return f"{told}; and {more} more" if more > 0 else told


@dataclass(frozen=True, slots=True)
class Stored:
    """Facts in order and history items by stream and tag, as Postgres has them."""

    facts: Sequence[tuple[str, str, dict[str, Any]]]
    items: Mapping[tuple[str, str], Sequence[str]]


async def load_stored(stack: Stack) -> Stored:
    """Everything that was written since the stack is there, as of one moment."""
    while True:
        head = await query(stack, _HEAD)
        stored = await _load(stack)
        if await query(stack, _HEAD) == head:
            return stored


async def _load(stack: Stack) -> Stored:
    facts = [(r["id"], r["type"], orjson.loads(r["data"])) for r in await query(stack, _FACTS)]
    items: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in await query(stack, _ITEMS):
        items[row["stream"], row["tag"]].append(row["image"])
    return Stored(facts, items)


async def audit(stack: Stack, load: SoakLoad, subscriber: Subscriber) -> list[Finding]:
    """All comparisons, each a finding that is right when nothing is wrong with it.

    Checks by schedule go on meanwhile: what was heard before the facts were read must be among
    them, and what they are must be heard soon after.
    """
    heard = dict(subscriber.events)
    stored = await load_stored(stack)
    await _hear(subscriber, {one for one, _, _ in stored.facts})
    workloads: dict[str, list[str]] = defaultdict(list)
    for row in await query(stack, _WORKLOADS, load.namespace):
        workloads[row["name"]].append(row["image"])
    lost = [row["image"] for row in await query(stack, _GONE)]
    letters = [f"{row['consumer']}: {row['error']}" for row in await query(stack, _LETTERS)]
    count = sum(map(len, stored.items.values()))
    return [
        await _promises(load, count),
        compare_churn(load.churned, load.deleted, stored.facts),
        compare_moves(stored),
        compare_events(stored.facts, heard, subscriber),
        compare_patches(workloads, stored.facts, load.namespace),
        Finding("images of live history items", f"{len(lost)} missing", lost),
        Finding("dead letters", str(len(letters)), letters),
    ]


async def _hear(subscriber: Subscriber, facts: set[str]) -> None:
    async def missing() -> str:
        count = len(facts - subscriber.events.keys())
        return f"{count} are missing" if count else ""

    with suppress(AssertionError):
        # Which ones, the comparison tells.
        await until_silent(missing, "every fact is heard", _HEARD_WITHIN_S)


async def _promises(load: SoakLoad, items: int) -> Finding:
    complaint = await load.world.broken_promise()
    count = load.world.promises.count
    return Finding(
        "acknowledged moves -> history",
        f"{count} in {items} items",
        [complaint] if complaint else [],
    )


def compare_churn(
    churned: Mapping[str, Sequence[str]],
    deleted: set[str],
    facts: Iterable[tuple[str, str, Mapping[str, Any]]],
) -> Finding:
    """A stream that came and went has told each image once, in order, and its end."""
    told: dict[str, list[str]] = defaultdict(list)
    for _, kind, data in facts:
        if kind == TagChanged.TYPE:
            told[data["stream"]].append(data.get("newImage", ""))
        elif kind == TagDeleted.TYPE:
            told[data["stream"]].append("deleted")
    wrong = []
    for name, images in churned.items():
        expected = [*images, "deleted"] if name in deleted else list(images)
        if told[name] != expected:
            wrong.append(f"{name}: {told[name]} is not {expected}")
    return Finding("streams that came and went", str(len(churned)), wrong)


def compare_moves(stored: Stored) -> Finding:
    """Each history item has exactly one `tag.changed`, in the same order, and no other has."""
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, kind, data in stored.facts:
        if kind == TagChanged.TYPE:
            told[data["streamUid"], data["tag"]].append(data.get("newImage", ""))
    wrong = []
    for place in {*told, *stored.items}:
        items = list(stored.items.get(place, ()))
        if told[place] != items:
            at = next(
                (
                    n
                    for n, pair in enumerate(zip(told[place], items, strict=False))
                    if len({*pair}) > 1
                ),
                min(len(told[place]), len(items)),
            )
            wrong.append(f"{place}: {len(items)} items, {len(told[place])} told, apart from {at}")
    return Finding("history items -> tag.changed", str(sum(map(len, told.values()))), wrong)


def compare_events(
    facts: Sequence[tuple[str, str, Mapping[str, Any]]],
    before: Mapping[str, Heard],
    subscriber: Subscriber,
) -> Finding:
    """The subscriber heard every fact, nothing else, and each the same every time.

    `before` is what it had heard when the facts were read.
    """
    wrong = [f"{one} was told in two ways" for one in subscriber.changed]
    known = {one: (kind, hash_data(data)) for one, kind, data in facts}
    heard = {one: _said(event) for one, event in subscriber.events.items()}
    wrong += [f"{known[one][0]} {one} was not heard" for one in known.keys() - heard.keys()]
    wrong += [f"{heard[one][0]} {one} is no fact" for one in before.keys() - known.keys()]
    both = known.keys() & heard.keys()
    wrong += [f"{one} differs from its fact" for one in both if known[one] != heard[one]]
    doubles = subscriber.deliveries - len(heard)
    told = f"{len(known)} facts, {len(heard)} heard, {doubles} delivered again"
    return Finding("facts -> outside subscriber", told, wrong)


def _said(event: Heard) -> tuple[str, bytes]:
    return event.type, event.data


def compare_patches(
    workloads: Mapping[str, Sequence[str]],
    facts: Iterable[tuple[str, str, Mapping[str, Any]]],
    namespace: str,
) -> Finding:
    """A workload's images are its tag's, in the tag's order, none twice for one move; and what was
    told about its patches are its patches."""
    moves: dict[str, list[str]] = defaultdict(list)
    fired: dict[str, list[str]] = defaultdict(list)
    for _, kind, data in facts:
        if kind == TagChanged.TYPE and data["namespace"] == namespace:
            moves[f"{data['stream']}-{data['tag']}"].append(data.get("newPullSpec", ""))
        elif kind == TriggerFired.TYPE and data["workloadNamespace"] == namespace:
            fired[data["workloadName"]].append(data.get("newPullSpec", ""))
    wrong, patched, told = [], 0, 0
    for name, versions in workloads.items():
        # A version that leaves the image alone is no patch of ours: status, or the first one.
        images = [new for old, new in pairwise(versions) if old != new]
        patched, told = patched + len(images), told + len(fired[name])
        if (step := _first_apart(images, moves[name])) is not None:
            wrong.append(f"{name}: patch {step} to {images[step]} is no move of its tag, or twice")
        # Two replicas may record two patches in another order than they made them.
        if more := Counter(fired[name]) - Counter(images):
            wrong.append(f"{name}: told of {min(more)} more often than patched")
        if less := Counter(images) - Counter(fired[name]):
            wrong.append(f"{name}: told of {min(less)} less often than patched")
    return Finding(
        "patches, each for one move of the tag", f"{patched}, {told} told as trigger.fired", wrong
    )


def _first_apart(part: Sequence[str], whole: Sequence[str]) -> int | None:
    """The first of `part` that `whole` does not have in this order."""
    left = iter(whole)
    return next((n for n, one in enumerate(part) if one not in left), None)
