"""Holds an answer against a recorded one, and says in words where they differ.

Owns the list of tolerated differences, each with its reason. What differs from run to run by nature
(uids, versions, times, ages) is compared by its shape and its consistency, not by its value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fakes.golden_names import Names

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RECORDED_ON = "2026-11-"
_AGE = re.compile(
    r"Less than a second ago|About an? (minute|hour) ago|\d+ (seconds?|minutes?|hours?) ago"
    r"|(\d+[smhd])+|<invalid>"
)
_TAGS_CELL = ".cells[2]"
_NAMES = ("name", "tag", "resource", "subresource", "version")
_OF_THAT_RUN = (
    (re.compile(r"\bgen-[a-z0-9]{5}\b"), "gen-(random)"),
    (re.compile(r"too old resource version: \d+ \(\d+\)"), "too old resource version: (numbers)"),
)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Differences at and below paths that match `pattern` in full do not count."""

    pattern: str
    reason: str

    def covers(self, path: str) -> bool:
        return re.match(rf"(?:{self.pattern})(?:$|[.\[(])", path) is not None


TOLERATED = (
    Tolerance(r".*\.managedFields", "field ownership is not kept yet"),
    Tolerance(r".*\.columnDefinitions\[[^]]*\]\.description", "documentation, shown by no client"),
    Tolerance(r".*\.continue", "opaque; its presence is compared"),
    Tolerance(r".*\.remainingItemCount", "servers may leave it out"),
    Tolerance(
        r"\.serverAddressByClientCIDRs\[\d+\]\.serverAddress", "the address of that very server"
    ),
    Tolerance(
        r".*\.extra\.authentication\.kubernetes\.io/credential-id.*", "a hash of that very key"
    ),
    Tolerance(r".*\.storageVersionHash", "a hint for migrations of storage that we do not have"),
)


def differences(expected: Any, got: Any, names: Names, also: Sequence[Tolerance] = ()) -> list[str]:
    """One line for each place: path, what was expected, what came. `expected` is in our words."""
    return [
        f"{path or '(body)'}: {text}"
        for path, text in _walk(expected, got, names, "")
        if not any(tolerance.covers(path) for tolerance in (*TOLERATED, *also))
    ]


def _walk(expected: Any, got: Any, names: Names, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(expected, dict) and isinstance(got, dict):
        yield from _walk_object(expected, got, names, path)
    elif isinstance(expected, list) and isinstance(got, list):
        yield from _walk_list(expected, got, names, path)
    elif isinstance(expected, str) and isinstance(got, str):
        yield from _compare_text(expected, got, names, path)
    elif expected != got or type(expected) is not type(got):
        yield _say(path, expected, got)


def _walk_object(
    expected: dict[str, Any], got: dict[str, Any], names: Names, path: str
) -> Iterator[tuple[str, str]]:
    for key in [*expected, *(key for key in got if key not in expected)]:
        below = f"{path}.{key}"
        if key == "metadata" and ("items" in expected or "rows" in expected):
            below += "(list)"
        if key in expected and key in got:
            yield from _walk(expected[key], got[key], names, below)
        else:
            absent = "(absent)"
            below += "(presence)" if key == "continue" else ""
            yield _say(below, expected.get(key, absent), got.get(key, absent))


def _walk_list(
    expected: list[Any], got: list[Any], names: Names, path: str
) -> Iterator[tuple[str, str]]:
    wanted, found = [[_name_of(item) for item in items] for items in (expected, got)]
    if None in wanted + found or len(set(wanted)) != len(wanted) or len(set(found)) != len(found):
        if len(expected) != len(got):
            yield _say(f"{path}(length)", len(expected), f"{len(got)}: {_brief(got)}")
        for index, (left, right) in enumerate(zip(expected, got, strict=False)):
            yield from _walk(left, right, names, f"{path}[{index}]")
        return
    if wanted != found:
        yield _say(f"{path}(names)", wanted, found)
    for name in wanted:
        if name in found:
            left, right = expected[wanted.index(name)], got[found.index(name)]
            yield from _walk(left, right, names, f"{path}[{name}]")


def _name_of(item: Any) -> str | None:
    """What tells an item of a list from its neighbours, if anything does."""
    if not isinstance(item, dict):
        return None
    if item.get("cells"):
        return str(item["cells"][0])
    named = {**item.get("metadata", {}), **item}
    found = next((named[key] for key in _NAMES if isinstance(named.get(key), str)), None)
    # The core group has no name; an object without any keeps its place.
    return "" if found is None and "versions" in item else found


def _compare_text(expected: str, got: str, names: Names, path: str) -> Iterator[tuple[str, str]]:
    key = path.rpartition(".")[2]
    if key == "uid":
        yield from _compare_learned("uid", expected, got, names, path)
    elif key == "resourceVersion":
        yield from _compare_version(expected, got, names, path)
    elif ".cells[" in path:
        yield from _compare_cell(expected, got, path)
    elif _TIME.fullmatch(expected) and expected.startswith(_RECORDED_ON):
        if not _TIME.fullmatch(got):
            yield _say(path, "a time in whole seconds", got)
    elif _without_that_run(expected) != _without_that_run(got):
        yield _say(path, expected, got)


def _compare_cell(expected: str, got: str, path: str) -> Iterator[tuple[str, str]]:
    if _AGE.fullmatch(expected):
        if not _AGE.fullmatch(got):
            yield _say(path, f"an age such as {expected}", got)
    elif path.endswith(_TAGS_CELL):
        # Ordered by time, newest first: it counts whether two moves fell into one second.
        if sorted(expected.split(",")) != sorted(got.split(",")):
            yield _say(path, expected, got)
    elif expected != got:
        yield _say(path, expected, got)


def _without_that_run(text: str) -> str:
    for pattern, replacement in _OF_THAT_RUN:
        text = pattern.sub(replacement, text)
    return text


def _compare_version(expected: str, got: str, names: Names, path: str) -> Iterator[tuple[str, str]]:
    if not path.endswith("(list).resourceVersion"):
        yield from _compare_learned("resourceVersion", expected, got, names, path)
    elif got.isdigit():
        names.renew("list version", expected, got)
    else:
        yield _say(path, "a number", got)


def _compare_learned(
    key: str, expected: str, got: str, names: Names, path: str
) -> Iterator[tuple[str, str]]:
    if not expected or not got:
        if expected != got:
            yield _say(path, expected, got)
        return
    ours = names.learn(key, expected, got)
    if ours != got:
        yield _say(path, f"{ours} (the same as before, recorded {expected})", got)


def _say(path: str, expected: Any, got: Any) -> tuple[str, str]:
    return path, f"expected {_brief(expected)}, got {_brief(got)}"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 600 else f"{text[:600]}... ({len(text)} characters)"
