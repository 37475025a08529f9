"""One line of the feed for each fact: what happened, to what, by whom. Pure.

Owns the words. Names and messages come from users and registries: they are text, escaped where they
are rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tagstream.api.page.import_words import explain_failure
from tagstream.events.facts import (
    ImagePruned,
    ImportCompleted,
    ImportFailed,
    ImportRequested,
    PruneCompleted,
    TagChanged,
    TagDeleted,
    TriggerFailed,
    TriggerFired,
    TriggerSkipped,
    TriggersPaused,
    TriggersResumed,
)

Data = Mapping[str, object]
_SHORT_DIGEST_CHARS = len("sha256:") + 12
_MOST_NAMES = 3


class Tone(StrEnum):
    """How a line looks; its words say the same."""

    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class FactLine:
    """A fact for a reader. What it is about are `namespace`, `stream` and `tag`, any of them empty
    where the fact has none."""

    position: int
    at: datetime
    label: str
    tone: Tone
    namespace: str
    stream: str
    tag: str
    text: str
    by: str


def describe_fact(position: int, event_type: str, at: datetime, data: Data) -> FactLine:
    """The line of any fact; one of a later release has its type for words."""
    known = _KINDS.get(event_type)
    label, tone, words = known or (_short_type(event_type), Tone.QUIET, _nothing)
    return FactLine(
        position,
        at,
        label,
        tone,
        text_of(data, "namespace"),
        text_of(data, "stream"),
        text_of(data, "tag"),
        words(data),
        _by(data),
    )


def short_digest(text: str) -> str:
    """`sha256:` and 12 digits; a pull spec keeps its repository."""
    name, at, digest = text.rpartition("@")
    return f"{name}{at}{digest[:_SHORT_DIGEST_CHARS]}" if digest.startswith("sha256:") else text


def text_of(data: Data, key: str) -> str:
    """A field that is text, else nothing."""
    value = data.get(key, "")
    return value if isinstance(value, str) else ""


def _by(data: Data) -> str:
    actor, cause = text_of(data, "actor"), text_of(data, "cause")
    return f"{actor} ({cause})" if actor and cause else actor or cause


def _nothing(data: Data) -> str:
    return ""


def _moved(data: Data) -> str:
    old, new = text_of(data, "oldImage"), text_of(data, "newImage")
    if old == new:
        # Another policy: the pull specs tell more than the digests.
        old, new = text_of(data, "oldPullSpec"), text_of(data, "newPullSpec")
    if not old:
        return f"now {short_digest(new)}"
    return f"from {short_digest(old)} to {short_digest(new)}"


def _deleted(data: Data) -> str:
    return f"was {short_digest(text_of(data, 'oldImage') or text_of(data, 'oldPullSpec'))}"


def _named(entries: list[Data]) -> str:
    names = [text_of(entry, "tag") for entry in entries]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _requested(data: Data) -> str:
    tags = _named(_entries(data, "tags"))
    return ("on schedule: " if data.get("scheduled") else "") + (tags or "the whole repository")


def _completed(data: Data) -> str:
    results = _entries(data, "results")
    failed = [result for result in results if not text_of(result, "digest")]
    done = [result for result in results if text_of(result, "digest")]
    words = f"{_named(done)} from {text_of(data, 'host')}"
    return words + (f"; failed: {_named(failed)}" if failed else "")


def _failed(data: Data) -> str:
    results = _entries(data, "results")
    first = results[0] if results else {}
    why = explain_failure(text_of(first, "reason"), text_of(first, "message"))
    return f"{_named(results)} from {text_of(data, 'host')}: {why.what}"


def _workload(data: Data) -> str:
    kind, namespace = text_of(data, "kind"), text_of(data, "workloadNamespace")
    return f"{kind} {namespace}/{text_of(data, 'workloadName')}"


def _fired(data: Data) -> str:
    digest = text_of(data, "newPullSpec").rpartition("@")[2]
    return f"{_workload(data)} now runs {short_digest(digest)}"


def _trigger_reason(data: Data) -> str:
    said = text_of(data, "message") or text_of(data, "reason")
    return f"{_workload(data)}: {said}" if said else _workload(data)


def _pause(data: Data) -> str:
    where = text_of(data, "namespace")
    said = text_of(data, "message")
    return (f"in {where}" if where else "everywhere") + (f": {said}" if said else "")


def _pruned(data: Data) -> str:
    return short_digest(text_of(data, "image"))


def _prune_done(data: Data) -> str:
    return (
        f"{data.get('images', 0)} images and {data.get('items', 0)} history entries removed "
        f"from {data.get('streams', 0)} streams"
    )


def _entries(data: Data, key: str) -> list[Data]:
    value = data.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _short_type(event_type: str) -> str:
    return event_type.removeprefix("dev.tagstream.").rpartition(".v")[0] or event_type


_KINDS: dict[str, tuple[str, Tone, Callable[[Data], str]]] = {
    TagChanged.TYPE: ("tag moved", Tone.GOOD, _moved),
    TagDeleted.TYPE: ("tag deleted", Tone.BAD, _deleted),
    ImportRequested.TYPE: ("import asked for", Tone.QUIET, _requested),
    ImportCompleted.TYPE: ("imported", Tone.QUIET, _completed),
    ImportFailed.TYPE: ("import failed", Tone.BAD, _failed),
    TriggerFired.TYPE: ("workload updated", Tone.GOOD, _fired),
    TriggerSkipped.TYPE: ("workload left alone", Tone.QUIET, _trigger_reason),
    TriggerFailed.TYPE: ("workload not updated", Tone.BAD, _trigger_reason),
    TriggersPaused.TYPE: ("triggers paused", Tone.QUIET, _pause),
    TriggersResumed.TYPE: ("triggers resumed", Tone.QUIET, _pause),
    ImagePruned.TYPE: ("image pruned", Tone.QUIET, _pruned),
    PruneCompleted.TYPE: ("prune finished", Tone.QUIET, _prune_done),
}
