"""Validation errors of single fields, in the words of Kubernetes' field.Error.

Owns the error types, their constructors and their rendering. Collecting them into a 422 is
`status.invalid`. Source: spec/image-api-and-import.md §1.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tagstream.api.wire.go_text import go_quote, go_value
from tagstream.api.wire.json_types import JsonObject


class FieldErrorType(StrEnum):
    """The machine-readable reason of a cause in a Status."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"
    INTERNAL = "InternalError"


_WORDS: Final = {
    FieldErrorType.NOT_FOUND: "Not found",
    FieldErrorType.REQUIRED: "Required value",
    FieldErrorType.DUPLICATE: "Duplicate value",
    FieldErrorType.INVALID: "Invalid value",
    FieldErrorType.NOT_SUPPORTED: "Unsupported value",
    FieldErrorType.FORBIDDEN: "Forbidden",
    FieldErrorType.TOO_LONG: "Too long",
    FieldErrorType.TOO_MANY: "Too many",
    FieldErrorType.TYPE_INVALID: "Invalid value",
    FieldErrorType.INTERNAL: "Internal error",
}
_WITHOUT_VALUE: Final = frozenset(
    {
        FieldErrorType.REQUIRED,
        FieldErrorType.FORBIDDEN,
        FieldErrorType.TOO_LONG,
        FieldErrorType.INTERNAL,
    }
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that cannot be accepted. `path` is printed as given (`spec.tags[a].from.name`)."""

    path: str
    type: FieldErrorType
    value: object = None
    detail: str = ""

    @property
    def body(self) -> str:
        """The text without the path: what a cause's `message` holds."""
        text = _WORDS[self.type]
        if self.type not in _WITHOUT_VALUE:
            text += ": " + go_value(self.value)
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> JsonObject:
        """The entry of a Status' `details.causes`."""
        return {"reason": self.type.value, "message": self.body, "field": self.path}

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"


def invalid_value(path: str, value: object, detail: str) -> FieldError:
    """`path: Invalid value: <value>: <detail>`."""
    return FieldError(path, FieldErrorType.INVALID, value, detail)


def required_value(path: str, detail: str = "") -> FieldError:
    """`path: Required value[: <detail>]`."""
    return FieldError(path, FieldErrorType.REQUIRED, "", detail)


def forbidden_value(path: str, detail: str) -> FieldError:
    """`path: Forbidden: <detail>`."""
    return FieldError(path, FieldErrorType.FORBIDDEN, "", detail)


def missing_value(path: str, value: object) -> FieldError:
    """`path: Not found: <value>`: the field names something that does not exist."""
    return FieldError(path, FieldErrorType.NOT_FOUND, value)


def duplicate_value(path: str, value: object) -> FieldError:
    """`path: Duplicate value: <value>`."""
    return FieldError(path, FieldErrorType.DUPLICATE, value)


def unsupported_value(path: str, value: object, supported: Iterable[str]) -> FieldError:
    """`path: Unsupported value: <value>: supported values: "a", "b"`, in the given order."""
    quoted = ", ".join(go_quote(choice) for choice in supported)
    detail = f"supported values: {quoted}" if quoted else ""
    return FieldError(path, FieldErrorType.NOT_SUPPORTED, value, detail)


def too_long_value(path: str, max_bytes: int) -> FieldError:
    """`path: Too long: may not be more than N bytes`; the value itself is never shown."""
    unit = "byte" if max_bytes == 1 else "bytes"
    return FieldError(
        path, FieldErrorType.TOO_LONG, detail=f"may not be more than {max_bytes} {unit}"
    )


def too_many_values(path: str, actual: int, maximum: int) -> FieldError:
    """`path: Too many: <actual>: must have at most N items`."""
    unit = "item" if maximum == 1 else "items"
    return FieldError(path, FieldErrorType.TOO_MANY, actual, f"must have at most {maximum} {unit}")


def internal_error(path: str, detail: str) -> FieldError:
    """`path: Internal error: <detail>`."""
    return FieldError(path, FieldErrorType.INTERNAL, detail=detail)


def join_errors(errors: Iterable[object]) -> str:
    """The text of several errors as one: each text once, bracketed when there are two or more."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
