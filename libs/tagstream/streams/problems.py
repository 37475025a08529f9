"""What is wrong with a stream that somebody wants to write, field by field.

A decision raises one `InvalidStream` with every problem it found, so that a user mends them in one
go. How a problem is printed is the api's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """The kinds of field error that Kubernetes knows and image streams use."""

    INVALID = "FieldValueInvalid"
    REQUIRED = "FieldValueRequired"
    FORBIDDEN = "FieldValueForbidden"
    NOT_FOUND = "FieldValueNotFound"


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field. `value` is what stood there; `detail` what is wrong with it.

    `is_internal` marks what OpenShift finds while it follows tag sources: it wraps these in an
    internal error before it lists them (spec/image-api-and-import.md §3.5).
    """

    field: str
    kind: ProblemKind
    value: object = None
    detail: str = ""
    is_internal: bool = False


class InvalidStream(Exception):
    """The stream cannot be written like this. Holds at least one problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.detail}" for p in problems))
        self.problems = tuple(problems)


def invalid(field: str, value: object, detail: str) -> Problem:
    return Problem(field, ProblemKind.INVALID, value, detail)


def required(field: str, detail: str = "") -> Problem:
    return Problem(field, ProblemKind.REQUIRED, None, detail)
