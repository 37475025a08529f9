"""Templates, which are kept, and processedtemplates, which only answer.

Owns the declarations, the rules of a template's own fields and the columns. Generated values are
drawn from the request's id under the server's key: the same request gives the same values, and
nobody who sees the id can tell them.
"""

from __future__ import annotations

import re
from datetime import datetime

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.generic_storage import GenericStorage
from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.routing import Registry
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import NAME, name_of, number, text
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.reviews.create_only import CreateOnly
from tagstream.api.templates.generator import Draw
from tagstream.api.templates.processing import process_template
from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import invalid
from tagstream.api.wire.table import Cell
from tagstream.store.database import Database
from tagstream.store.sealing import Sealer

GROUP = "template.openshift.io"
_SCHEMA = "com.github.openshift.api.template.v1.Template"
_PARAMETER_NAME = re.compile("^[a-zA-Z0-9_]+$")
_DESCRIPTION_CHARS = 80


def _validate(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """Of an update only the metadata are looked at (spec §15.1)."""
    return [] if old is not None else _parameter_errors(new)


def _parameter_errors(template: JsonObject) -> list[FieldError]:
    errors = []
    for index, parameter in enumerate(template.get("parameters") or []):
        path, name = f"parameters[{index}].name", parameter.get("name") or ""
        if not name:
            errors.append(required_value(path))
        elif not _PARAMETER_NAME.fullmatch(name):
            detail = f"does not match {_PARAMETER_NAME.pattern}"
            errors.append(invalid_value(path, name, detail))
    return errors


def _cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    parameters = item.get("parameters") or []
    objects = len(item.get("objects") or [])
    return name_of(item), _description(item), describe_parameters(parameters), objects


def _description(item: JsonObject) -> str:
    said = str((item["metadata"].get("annotations") or {}).get("description", ""))
    line = said.split("\n", 1)[0]
    return line if len(line) <= _DESCRIPTION_CHARS else line[: _DESCRIPTION_CHARS - 3] + "..."


def describe_parameters(parameters: list[JsonObject]) -> str:
    """How many there are, and what those without a value are waiting for."""
    empty = [parameter for parameter in parameters if not parameter.get("value")]
    generated = sum(1 for parameter in empty if parameter.get("generate"))
    blank = len(empty) - generated
    if blank:
        return f"{len(parameters)} ({blank} blank)"
    if generated:
        return f"{len(parameters)} ({generated} generated)"
    return f"{len(parameters)} (all set)"


TEMPLATES = GenericKind(
    Kind(
        GROUP,
        "v1",
        "templates",
        "Template",
        "template",
        namespaced=True,
        table=TableFormat(
            (NAME, text("Description"), text("Parameters"), number("Objects")), _cells
        ),
        schema=_SCHEMA,
    ),
    Rules(validate=_validate, needs_version=True),
)
PROCESSED_TEMPLATES = Kind(
    GROUP,
    "v1",
    "processedtemplates",
    "Template",
    "processedtemplate",
    namespaced=True,
    verbs=("create",),
    schema=_SCHEMA,
)


def register_templates(registry: Registry, database: Database, sealer: Sealer) -> None:
    """Serves both kinds."""
    storage = GenericStorage(TEMPLATES.kind, database, TEMPLATES.rules, sealer)
    registry.register(TEMPLATES.kind, storage, storage.watch_source)
    registry.register(PROCESSED_TEMPLATES, build_processing(sealer))


def build_processing(sealer: Sealer) -> CreateOnly:
    """The storage of processedtemplates."""

    async def answer(ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
        errors = _parameter_errors(wanted)
        if not errors:
            wanted, errors = process_template(wanted, build_draw(sealer, ctx.id))
        if errors:
            raise invalid("Template", GROUP, wanted["metadata"].get("name", ""), errors)
        return wanted

    return CreateOnly(answer)


def build_draw(sealer: Sealer, request_id: str) -> Draw:
    """Random numbers that follow from the request's id and the server's key."""
    count = 0

    def draw(below: int) -> int:
        nonlocal count
        count += 1
        # 256 bits make the remainder as good as even.
        return int(sealer.fingerprint(str(count).encode(), f"template {request_id}"), 16) % below

    return draw
