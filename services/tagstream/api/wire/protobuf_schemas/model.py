"""How a field table is written down.

A field has a number, its JSON name, a type, and two facts that Go decides: whether it is on the
wire even when empty (`always`: the Go type is no pointer), and whether JSON shows it when empty
(`shown`: no omitempty).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class FieldType(Enum):
    """The type of a field, as the pair of its JSON and its wire form."""

    STRING = auto()
    BOOL = auto()
    INT32 = auto()
    INT64 = auto()
    TIME = auto()
    MICRO_TIME = auto()
    FIELDS_V1 = auto()
    QUANTITY = auto()
    INT_OR_STRING = auto()
    MESSAGE = auto()
    #: A message whose fields JSON shows among those of the message around it.
    INLINE = auto()
    STRING_LIST = auto()
    INT32_LIST = auto()
    INT64_LIST = auto()
    MESSAGE_LIST = auto()
    STRING_MAP = auto()
    BYTES_MAP = auto()
    QUANTITY_MAP = auto()
    STRING_LIST_MAP = auto()


NUMBER_LISTS: Final = frozenset({FieldType.INT32_LIST, FieldType.INT64_LIST})
LISTS: Final = NUMBER_LISTS | {FieldType.STRING_LIST, FieldType.MESSAGE_LIST}
MAPS: Final = frozenset(
    {
        FieldType.STRING_MAP,
        FieldType.BYTES_MAP,
        FieldType.QUANTITY_MAP,
        FieldType.STRING_LIST_MAP,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class FieldSpec:
    """One field of a message.

    `message` is set for MESSAGE, INLINE and MESSAGE_LIST; only INLINE has no name.
    """

    number: int
    name: str
    type: FieldType
    always: bool = False
    shown: bool = False
    message: MessageSpec | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MessageSpec:
    """A message; its fields are in ascending order of number, which is the wire order."""

    name: str
    fields: tuple[FieldSpec, ...]


def message(name: str, *fields: FieldSpec) -> MessageSpec:
    """A message from its fields in any order."""
    return MessageSpec(name, tuple(sorted(fields, key=lambda field: field.number)))


def string(number: int, name: str, *, shown: bool = False) -> FieldSpec:
    """A Go string."""
    return FieldSpec(number, name, FieldType.STRING, always=True, shown=shown)


def optional_string(number: int, name: str) -> FieldSpec:
    """A Go *string."""
    return FieldSpec(number, name, FieldType.STRING)


def boolean(number: int, name: str, *, shown: bool = False) -> FieldSpec:
    """A Go bool."""
    return FieldSpec(number, name, FieldType.BOOL, always=True, shown=shown)


def optional_boolean(number: int, name: str) -> FieldSpec:
    """A Go *bool."""
    return FieldSpec(number, name, FieldType.BOOL)


def int32(number: int, name: str, *, shown: bool = False) -> FieldSpec:
    """A Go int32."""
    return FieldSpec(number, name, FieldType.INT32, always=True, shown=shown)


def optional_int32(number: int, name: str) -> FieldSpec:
    """A Go *int32."""
    return FieldSpec(number, name, FieldType.INT32)


def int64(number: int, name: str, *, shown: bool = False) -> FieldSpec:
    """A Go int64."""
    return FieldSpec(number, name, FieldType.INT64, always=True, shown=shown)


def optional_int64(number: int, name: str) -> FieldSpec:
    """A Go *int64."""
    return FieldSpec(number, name, FieldType.INT64)


def time(number: int, name: str) -> FieldSpec:
    """A Go metav1.Time."""
    return FieldSpec(number, name, FieldType.TIME, always=True)


def optional_time(number: int, name: str) -> FieldSpec:
    """A Go *metav1.Time."""
    return FieldSpec(number, name, FieldType.TIME)


def micro_time(number: int, name: str) -> FieldSpec:
    """A Go metav1.MicroTime."""
    return FieldSpec(number, name, FieldType.MICRO_TIME, always=True)


def optional_micro_time(number: int, name: str) -> FieldSpec:
    """A Go *metav1.MicroTime."""
    return FieldSpec(number, name, FieldType.MICRO_TIME)


def quantity(number: int, name: str) -> FieldSpec:
    """A Go resource.Quantity: JSON always shows it, as "0" when empty."""
    return FieldSpec(number, name, FieldType.QUANTITY, always=True, shown=True)


def optional_quantity(number: int, name: str) -> FieldSpec:
    """A Go *resource.Quantity."""
    return FieldSpec(number, name, FieldType.QUANTITY)


def int_or_string(number: int, name: str) -> FieldSpec:
    """A Go intstr.IntOrString: JSON always shows it, as 0 when empty."""
    return FieldSpec(number, name, FieldType.INT_OR_STRING, always=True, shown=True)


def optional_int_or_string(number: int, name: str) -> FieldSpec:
    """A Go *intstr.IntOrString."""
    return FieldSpec(number, name, FieldType.INT_OR_STRING)


def inline(number: int, spec: MessageSpec) -> FieldSpec:
    """A Go struct embedded in this one: a message on the wire, fields of this one in JSON."""
    return FieldSpec(number, "", FieldType.INLINE, always=True, message=spec)


def struct(number: int, name: str, spec: MessageSpec) -> FieldSpec:
    """A Go struct: JSON always shows it, as {} when empty."""
    return FieldSpec(number, name, FieldType.MESSAGE, always=True, shown=True, message=spec)


def pointer(number: int, name: str, spec: MessageSpec) -> FieldSpec:
    """A Go pointer to a struct."""
    return FieldSpec(number, name, FieldType.MESSAGE, message=spec)


def strings(number: int, name: str, *, shown: bool = False) -> FieldSpec:
    """A Go []string; `shown` writes [] when there is none."""
    return FieldSpec(number, name, FieldType.STRING_LIST, shown=shown)


def int32s(number: int, name: str, *, shown: bool = False) -> FieldSpec:
    """A Go []int32; `shown` writes [] when there is none."""
    return FieldSpec(number, name, FieldType.INT32_LIST, shown=shown)


def int64s(number: int, name: str) -> FieldSpec:
    """A Go []int64."""
    return FieldSpec(number, name, FieldType.INT64_LIST)


def structs(number: int, name: str, spec: MessageSpec, *, shown: bool = False) -> FieldSpec:
    """A Go slice of structs; `shown` writes [] when there is none."""
    return FieldSpec(number, name, FieldType.MESSAGE_LIST, shown=shown, message=spec)


def string_map(number: int, name: str) -> FieldSpec:
    """A Go map[string]string."""
    return FieldSpec(number, name, FieldType.STRING_MAP)


def bytes_map(number: int, name: str) -> FieldSpec:
    """A Go map[string][]byte, base64 in JSON."""
    return FieldSpec(number, name, FieldType.BYTES_MAP)


def quantity_map(number: int, name: str) -> FieldSpec:
    """A Go ResourceList: quantities by the name of a resource."""
    return FieldSpec(number, name, FieldType.QUANTITY_MAP)


def extra_map(number: int, name: str) -> FieldSpec:
    """A Go map[string]ExtraValue, lists of strings in JSON."""
    return FieldSpec(number, name, FieldType.STRING_LIST_MAP)
