"""Objects for a protobuf field table: full ones, drawn ones, and how a server shows them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tagstream.api.wire.protobuf_schemas.model import (
    LISTS,
    MAPS,
    FieldSpec,
    FieldType,
    MessageSpec,
)

#: A value of each type of field, as JSON has it.
_SAMPLES: dict[FieldType, Any] = {
    FieldType.STRING: "s",
    FieldType.BOOL: True,
    FieldType.INT32: -7,
    FieldType.INT64: 1 << 40,
    FieldType.TIME: "2026-11-23T04:02:47Z",
    FieldType.MICRO_TIME: "2026-11-23T04:02:47.000001Z",
    FieldType.FIELDS_V1: {"f:a": {}},
    FieldType.QUANTITY: "500m",
    FieldType.INT_OR_STRING: "25%",
    FieldType.STRING_LIST: ["s", ""],
    FieldType.INT32_LIST: [0, -1, 300],
    FieldType.INT64_LIST: [0, 1 << 40],
    FieldType.STRING_MAP: {"a": "", "b": "s"},
    FieldType.BYTES_MAP: {"k": "AP8="},
    FieldType.QUANTITY_MAP: {"cpu": "1", "memory": "1Gi"},
}
_TEXTS = st.text(max_size=3)
_QUANTITIES = st.sampled_from(["1", "500m", "1Gi", "0.5", "1e3"])
_INT32S = st.integers(-(1 << 31), (1 << 31) - 1)
_INT64S = st.integers(-(1 << 63), (1 << 63) - 1)
_VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.STRING: _TEXTS,
    FieldType.BOOL: st.booleans(),
    FieldType.INT32: _INT32S,
    FieldType.INT64: _INT64S,
    FieldType.TIME: st.just(_SAMPLES[FieldType.TIME]),
    FieldType.MICRO_TIME: st.just(_SAMPLES[FieldType.MICRO_TIME]),
    FieldType.FIELDS_V1: st.just({"f:a": {}}),
    FieldType.QUANTITY: _QUANTITIES,
    FieldType.INT_OR_STRING: _INT32S | _TEXTS,
    FieldType.STRING_LIST: st.lists(_TEXTS, max_size=2),
    FieldType.INT32_LIST: st.lists(_INT32S, max_size=2),
    FieldType.INT64_LIST: st.lists(_INT64S, max_size=2),
    FieldType.STRING_MAP: st.dictionaries(_TEXTS, _TEXTS, max_size=2),
    FieldType.BYTES_MAP: st.dictionaries(_TEXTS, st.just("AP8="), max_size=2),
    FieldType.QUANTITY_MAP: st.dictionaries(_TEXTS, _QUANTITIES, max_size=2),
}
#: What JSON shows of an empty field without omitempty.
_EMPTY: dict[FieldType, Any] = {
    FieldType.STRING: "",
    FieldType.BOOL: False,
    FieldType.INT32: 0,
    FieldType.INT64: 0,
    FieldType.QUANTITY: "0",
    FieldType.INT_OR_STRING: 0,
}


def fill(spec: MessageSpec) -> dict[str, Any]:
    """An object with every field of a table."""
    filled: dict[str, Any] = {}
    for field in spec.fields:
        if field.message is None:
            filled[field.name] = _SAMPLES[field.type]
        elif field.type is FieldType.INLINE:
            filled |= fill(field.message)
        else:
            below = fill(field.message)
            filled[field.name] = [below] if field.type is FieldType.MESSAGE_LIST else below
    return filled


@st.composite
def objects(draw: st.DrawFn, spec: MessageSpec) -> dict[str, Any]:
    """An object with some fields of a table, empty ones and nulls among them."""
    drawn: dict[str, Any] = {}
    fields = st.sets(st.sampled_from(spec.fields), max_size=4) if spec.fields else st.just(set())
    for field in sorted(draw(fields), key=lambda field: field.number):
        if field.message is None:
            drawn[field.name] = draw(_VALUES[field.type] | st.none())
        elif field.type is FieldType.INLINE:
            drawn |= draw(objects(field.message))
        elif field.type is FieldType.MESSAGE_LIST:
            drawn[field.name] = draw(st.lists(objects(field.message), max_size=2))
        else:
            drawn[field.name] = draw(objects(field.message))
    return drawn


def canonical(spec: MessageSpec, value: dict[str, Any]) -> dict[str, Any]:
    """The object as a Kubernetes server shows it: what is empty is gone or, without omitempty,
    there."""
    shown: dict[str, Any] = {}
    for field in spec.fields:
        if field.type is FieldType.INLINE and field.message:
            shown |= canonical(field.message, value)
            continue
        item = _canonical_field(field, value.get(field.name))
        if item is not None:
            shown[field.name] = item
    return shown


def _canonical_field(field: FieldSpec, item: Any) -> Any:
    if field.message and field.type is FieldType.MESSAGE_LIST:
        item = [canonical(field.message, below) for below in item or []]
    elif field.message and (item is not None or field.shown):
        return canonical(field.message, item or {})
    if field.type in LISTS or field.type in MAPS:
        return item or ([] if field.shown else None)
    if field.shown:
        return _EMPTY[field.type] if item is None else item
    return None if field.always and not item else item
