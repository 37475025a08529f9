"""What sets one generic kind apart from another: pure functions and facts about its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tagstream.api.wire.field_errors import FieldError
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_dns_subdomain
from tagstream.events.facts import Fact
from tagstream.store.journal import Command
from tagstream.store.resources import Resource


def _nothing(item: JsonObject) -> None:
    """Leaves the object as it is."""


def _no_errors(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    return []


def _no_facts(old: JsonObject | None, new: JsonObject | None) -> list[Fact]:
    return []


def _alone(item: JsonObject, command: Command) -> list[Resource]:
    return []


def _never(item: JsonObject) -> str:
    return ""


def _not_waiting(item: JsonObject) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A kind that is kept as another kind: `v1` and `events.k8s.io/v1` share their events.

    Both functions give a new object with the apiVersion and kind of its side.
    """

    group: str
    resource: str
    to_stored: Callable[[JsonObject], JsonObject]
    from_stored: Callable[[JsonObject], JsonObject]


@dataclass(frozen=True, slots=True)
class View:
    """A subresource that is another form of the object: `scale`.

    `merge` makes the object wanted from the one now and the form wanted, whose resourceVersion it
    takes over.
    """

    show: Callable[[JsonObject], JsonObject]
    merge: Callable[[JsonObject, JsonObject], JsonObject]


@dataclass(frozen=True, slots=True)
class Rules:
    """The hooks of a generic kind.

    `default` fills in what is missing, in place, before every validation. `validate` gets the new
    object and the old one (None on create). `generations` are the dotted paths whose change counts
    as a new generation; none, and the kind has no generation. `subresources` maps each subresource
    to the dotted path that it alone may change, which the main resource therefore keeps.
    `views` are the subresources with a form of their own.
    `initial` is what those paths hold in a new object. `is_waiting` says whether a deleted object
    has to stay for a reason beside its finalizers, `on_deletion` marks it, `keep_reason` forbids
    deletion with a text. `facts` are emitted with the change, None standing for no object.
    `companions` are the rows that a new object brings with it. `needs_version` refuses a PUT that
    names no resourceVersion.
    """

    default: Callable[[JsonObject], None] = _nothing
    validate: Callable[[JsonObject, JsonObject | None], list[FieldError]] = _no_errors
    check_name: Callable[[str], list[str]] = check_dns_subdomain
    generations: tuple[str, ...] = ()
    subresources: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    initial: Mapping[str, object] = field(default_factory=dict)
    is_waiting: Callable[[JsonObject], bool] = _not_waiting
    on_deletion: Callable[[JsonObject], None] = _nothing
    keep_reason: Callable[[JsonObject], str] = _never
    facts: Callable[[JsonObject | None, JsonObject | None], list[Fact]] = _no_facts
    companions: Callable[[JsonObject, Command], list[Resource]] = _alone
    stored_form: StoredForm | None = None
    sealed: bool = False
    needs_version: bool = False
