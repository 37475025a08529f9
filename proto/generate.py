"""Generate what is committed beside the contract: `python proto/generate.py [--check]`.

Writes `proto/json_schema/*.json`, `proto/asyncapi.yaml` and the tables of `docs/events.md`. With
`--check` it writes nothing and fails, naming the files, when one of them is out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml
from generator.asyncapi import build_asyncapi
from generator.descriptors import load_messages
from generator.json_schema import message_document
from generator.markdown import replace_tables

_PROTO = Path(__file__).resolve().parent
_PAGE = _PROTO.parent / "docs" / "events.md"


def generate() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    messages = load_messages(_PROTO)
    files = {
        _PROTO / "json_schema" / f"{message.name}.json": _json(message_document(message, messages))
        for message in messages.values()
    }
    files[_PROTO / "asyncapi.yaml"] = yaml.safe_dump(
        build_asyncapi(messages), sort_keys=False, width=100, allow_unicode=True
    )
    files[_PAGE] = replace_tables(_PAGE.read_text(), messages)
    return files


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    files = generate()
    left_over = set((_PROTO / "json_schema").glob("*.json")) - set(files)
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in sorted([*stale, *left_over]):
            print(f"out of date: {path}; run `python proto/generate.py`", file=sys.stderr)
        return 1 if stale or left_over else 0
    for path in left_over:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path])
    return 0


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
