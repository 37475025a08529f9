"""Whether two outcomes are the same, but for images that one of them had no occasion to see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from fakes.convergence.outcome import Image, Outcome, StreamOutcome

Streams = Mapping[str, StreamOutcome]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What histories may differ in below their heads, and the stored images with them.

    `missing`: digests that a history may lack; `extra`: for each stream those that may have come
    in addition; `stored`: those that may be stored although the recording has no use for them.
    """

    missing: Set[str] = frozenset()
    extra: Mapping[str, Set[str]] = field(default_factory=dict)
    stored: Set[str] = frozenset()


def differences(expected: Outcome, found: Outcome, allowed: Allowance) -> list[str]:
    """Sentences."""
    return [
        *_streams(expected.streams, found.streams, allowed),
        *_unequal("images of workloads", dict(expected.workloads), dict(found.workloads)),
        *_images(expected.images, found, allowed),
    ]


def _streams(expected: Streams, found: Streams, allowed: Allowance) -> Iterator[str]:
    yield from _unequal("streams", sorted(expected), sorted(found))
    for name in sorted(expected.keys() & found.keys()):
        one, other = expected[name], found[name]
        yield from _unequal(f"{name}: spec", one.spec, other.spec)
        yield from _unequal(f"{name}: waiting tags", one.waiting, other.waiting)
        yield from _unequal(f"{name}: failures", dict(one.failures), dict(other.failures))
        yield from _unequal(f"{name}: heads", one.heads, other.heads)
        extra = allowed.extra.get(name, frozenset())
        for tag in sorted(one.histories.keys() & other.histories.keys()):
            if not is_alike(one.histories[tag], other.histories[tag], allowed.missing, extra):
                yield from _unequal(f"{name}:{tag}", one.histories[tag], other.histories[tag])


def _unequal(what: str, expected: object, found: object) -> Iterator[str]:
    if expected != found:
        yield f"{what}: {found} instead of {expected}"


def is_alike(
    expected: Sequence[Image], found: Sequence[Image], missing: Set[str], extra: Set[str]
) -> bool:
    """Whether two histories have one head, and `found` comes of `expected` by leaving out images
    of `missing` and putting in images of `extra`."""
    if expected[:1] != found[:1]:
        return False
    if not expected or not found:
        return True
    return _is_alike(expected[1:], found[1:], missing, extra)


def _is_alike(
    expected: Sequence[Image], found: Sequence[Image], missing: Set[str], extra: Set[str]
) -> bool:
    if not expected and not found:
        return True

    def rest(of_expected: int, of_found: int) -> bool:
        return _is_alike(expected[of_expected:], found[of_found:], missing, extra)

    return bool(
        (expected and found and _is_same(expected[0], found[0], missing) and rest(1, 1))
        or (expected and expected[0][0] in missing and rest(1, 0))
        or (found and found[0][0] in extra and rest(0, 1))
    )


def _is_same(expected: Image, found: Image, missing: Set[str]) -> bool:
    """The same digest again, found under another name, renames the item that is there; an import
    that never was cannot have done that."""
    return expected == found or (expected[0] == found[0] and found[0] in missing)


def _images(expected: Set[str], found: Outcome, allowed: Allowance) -> Iterator[str]:
    named = {
        image
        for stream in found.streams.values()
        for items in stream.histories.values()
        for image, _ in items
        if image
    }
    yield from _unequal("images that tags name and nobody stored", set(), named - found.images)
    yield from _unequal("images missing", set(), expected - found.images - allowed.missing)
    yield from _unequal("images too many", set(), found.images - expected - allowed.stored)
