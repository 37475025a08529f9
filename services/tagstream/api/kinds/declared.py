"""A generic kind: its declaration and its rules, and the usual verbs of its subresources."""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.engine.rules import Rules

_READ_AND_WRITE = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class GenericKind:
    """One kind that `GenericStorage` serves."""

    kind: Kind
    rules: Rules


def status_of(kind: str) -> Subresource:
    """The `status` subresource of a kind."""
    return Subresource("status", kind, _READ_AND_WRITE)
