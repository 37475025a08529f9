"""The recorded exchanges with a real OpenShift API server: reading them.

Owns the file format. They lie beside the clone (`../shared/golden`); `TAGSTREAM_GOLDEN_DIR` names
another place. Comparing is `golden_compare`, replaying `golden_replay`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

_BESIDE_THE_CLONE = Path(__file__).parents[3] / "shared" / "golden"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; bodies are parsed JSON, text, or `base64:` protobuf."""

    method: str
    path: str
    query: str
    request_headers: dict[str, str]
    request_body: Any
    status: int
    content_type: str
    response_headers: dict[str, str]
    response_body: Any
    is_watch: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One command, or one bare request, with its exchanges in order."""

    name: str
    command: str = ""
    exchanges: tuple[Exchange, ...] = field(default=())


def golden_dir() -> Path:
    """Where the recordings are expected."""
    return Path(os.environ.get("TAGSTREAM_GOLDEN_DIR") or _BESIDE_THE_CLONE)


def load_oc_cases(prefixes: str) -> tuple[Case, ...]:
    """Commands of the real `oc` whose names start with one of the letters; none when missing."""
    cases = (
        Case(
            line["case"],
            line.get("command", ""),
            tuple(_exchange(item) for item in line.get("exchanges", ())),
        )
        for line in _read_lines("oc.jsonl")
    )
    return tuple(case for case in cases if case.name[0] in prefixes)


def load_api_cases() -> tuple[Case, ...]:
    """Bare requests; neighbours of the same name are one case. None when the file is missing."""
    grouped = groupby(_read_lines("api.jsonl"), key=lambda line: line["case"])
    return tuple(
        Case(name, exchanges=tuple(_exchange(line) for line in lines)) for name, lines in grouped
    )


def all_bodies(cases: Sequence[Case]) -> list[Any]:
    """Every answered body that is JSON."""
    return [
        exchange.response_body
        for case in cases
        for exchange in case.exchanges
        if isinstance(exchange.response_body, dict)
    ]


def _read_lines(name: str) -> list[dict[str, Any]]:
    try:
        text = (golden_dir() / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines() if line]


def _exchange(item: dict[str, Any]) -> Exchange:
    return Exchange(
        item["method"],
        item["path"],
        item.get("query", ""),
        item.get("request_headers", {}),
        item.get("request_body"),
        item["status"],
        item.get("content_type", ""),
        item.get("response_headers", {}),
        item.get("response_body"),
        item.get("watch", False),
    )
