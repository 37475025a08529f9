"""The field tables of `docs/events.md`, between two marker lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from generator.descriptors import TIMESTAMP, Field, Message

BEGIN = "<!-- generated from proto/ by proto/generate.py: begin -->"
END = "<!-- generated: end -->"
_COMMON_FIELDS = 9


def replace_tables(page: str, messages: Mapping[str, Message]) -> str:
    """The page with the text between its markers replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        raise SystemExit("docs/events.md has lost its marker lines")
    return f"{before}{BEGIN}\n\n{_tables(messages)}\n{END}{after}"


def _tables(messages: Mapping[str, Message]) -> str:
    facts = [message for message in messages.values() if message.file.endswith("facts.proto")]
    parts = [message for message in messages.values() if not message.event_type]
    lines = ["### Every fact", "", *_table(facts[0].fields[:_COMMON_FIELDS])]
    for fact in facts:
        lines += [f"### `{fact.event_type}`", "", fact.description, ""]
        lines += _table(fact.fields[_COMMON_FIELDS:])
    for part in parts:
        lines += [f"### {part.name}", "", part.description, "", *_table(part.fields)]
    return "\n".join(lines)


def _table(fields: tuple[Field, ...]) -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for field in fields:
        yield f"| `{field.json_name}` | {_type(field)} | {field.description} |"
    yield ""


def _type(field: Field) -> str:
    name = {"int32": "integer", "bool": "boolean", TIMESTAMP: "time"}.get(field.kind, field.kind)
    return f"list of {name}" if field.repeated else name
