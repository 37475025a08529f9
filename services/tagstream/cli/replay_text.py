"""What `tagstream replay` says: the story, the verdict, and a difference with its cause. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tagstream.replay.player import Difference, Summary
from tagstream.replay.recording import Entry

_MOST_LINES = 40


def story_line(line: Mapping[str, Any]) -> str:
    """One command: when, who, what, and the events that followed."""
    command = line["command"]
    facts = ", ".join(_fact_text(fact) for fact in line["facts"])
    arrow = f"  -> {facts}" if facts else ""
    about = _about(command["arguments"])
    return (
        f"{command['position']:>8}  {command['at'][:19]}Z  {command['actor']}  "
        f"{command['kind']}{about}{arrow}"
    )


def _about(arguments: Mapping[str, Any]) -> str:
    named = arguments.get("import", arguments)
    if "namespace" not in named:
        return ""
    stream = named.get("stream") or named.get("name") or ""
    tag = f":{named['tag']}" if named.get("tag") else ""
    return f" {named['namespace']}/{stream}{tag}"


def _fact_text(fact: Mapping[str, Any]) -> str:
    name = fact["type"].removeprefix("dev.tagstream.").removesuffix(".v1")
    tag = fact["data"].get("tag")
    return f"{name} {tag}" if tag else str(name)


def verdict(summary: Summary) -> list[str]:
    """That everything came out the same, and how much that is."""
    return [
        f"equal: {summary.commands:,} commands gave the same {summary.changes:,} changes, "
        f"{summary.facts:,} facts and {summary.jobs:,} jobs, and the same rows of "
        f"{summary.streams:,} image stream{'s' * (summary.streams != 1)}"
    ]


def difference_lines(difference: Difference) -> list[str]:
    """The first difference, readable, and the command that caused it."""
    return [
        f"different: {difference.what}",
        *(_cause_lines(difference.entry) if difference.entry is not None else []),
        "- recorded, + replayed:",
        *_diff_lines(difference),
    ]


def _cause_lines(entry: Entry) -> list[str]:
    why = f" ({entry.cause})" if entry.cause else ""
    return [
        f"  position {entry.position}, {entry.at.isoformat()}",
        f"  command  {entry.kind}{_about(entry.arguments)} by {entry.actor}{why}",
        f"  id       {entry.id}",
    ]


def _diff_lines(difference: Difference) -> list[str]:
    recorded, replayed = _pretty(difference.recorded), _pretty(difference.replayed)
    found = list(difflib.unified_diff(recorded, replayed, lineterm="", n=2))[2:]
    lines = [line for line in found if not line.startswith("@@")]
    more = len(lines) - _MOST_LINES
    return lines[:_MOST_LINES] + ([f"... and {more} more lines"] if more > 0 else [])


def _pretty(value: object) -> list[str]:
    if value is None:
        return []
    return json.dumps(value, indent=2, sort_keys=True, default=_plain).splitlines()


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def difference_json(difference: Difference | None, summary: Summary) -> dict[str, object]:
    """The same for scripts."""
    if difference is None:
        return {"equal": True, **asdict(summary)}
    entry = difference.entry
    cause = (
        None
        if entry is None
        else {"position": entry.position, "id": entry.id, "kind": entry.kind, "actor": entry.actor}
    )
    return {
        "equal": False,
        "what": difference.what,
        "command": cause,
        "recorded": difference.recorded,
        "replayed": difference.replayed,
    }
