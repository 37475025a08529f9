"""Results of imports that a recording did not use, because a write came before them.

Had the result come first, the image would be in the history, below what the write then did. Found
by following the generations of tags through the recorded changes, without the decisions that are
under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tagstream.replay.act import STREAMS
from tagstream.replay.recording import Entry, Json

Generations = dict[tuple[str, str], int]
"""By the uid of a stream and a tag of it; what is gone is absent."""


def read_overtaken(entries: Sequence[Entry]) -> tuple[dict[str, set[str]], set[str]]:
    """For each stream the digests that were found for a tag which had been deleted or changed by
    then; and these together with those that were found for a stream which was gone."""
    overtaken: dict[str, set[str]] = {}
    unused = _never_applied(entries)
    generations: Generations = {}
    for entry in entries:
        if entry.kind == "import.apply":
            late = set(_late_digests(entry, generations))
            unused |= late
            order = entry.arguments["import"]
            overtaken.setdefault(f"{order['namespace']}/{order['stream']}", set()).update(late)
        for change in entry.changes:
            if change["resource"] == STREAMS:
                _follow(generations, change)
    return overtaken, unused


def _never_applied(entries: Iterable[Entry]) -> set[str]:
    applied = {e.arguments["import"]["id"] for e in entries if e.kind == "import.apply"}
    return {
        result["image"]["digest"]
        for entry in entries
        if entry.kind == "import.finish" and entry.arguments["import"]["id"] not in applied
        for result in entry.arguments["result"]["images"]
        if result["image"]
    }


def _late_digests(entry: Entry, generations: Generations) -> Iterable[str]:
    order, results = entry.arguments["import"], entry.arguments["result"]["images"]
    for image, result in zip(order["request"]["images"], results, strict=True):
        wanted = generations.get((order["stream_uid"], image["to"]))
        if result["image"] and wanted != order["generations"][image["to"]]:
            yield result["image"]["digest"]


def _follow(generations: Generations, change: Json) -> None:
    for tag, (_, after) in change["delta"]["spec"].items():
        if after is None:
            generations.pop((change["uid"], tag), None)
        else:
            generations[change["uid"], tag] = after["generation"] or 0
