"""What a person or a program reads of an event: one line of text, or one JSON object. Pure.

Owns the wording. The JSON form is CloudEvents' own (structured mode) plus nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from tagstream.errors import InvalidInput
from tagstream.events.envelope import CloudEvent, to_structured

_SHORT_DIGEST_LENGTH = len("sha256:") + 12


def event_json(event: CloudEvent) -> str:
    """The event as one line of JSON."""
    return to_structured(event).decode()


def event_line(event: CloudEvent) -> str:
    """Time (UTC), type, what it is about, and what happened, for a terminal."""
    try:
        data = event.data_object()
    except InvalidInput:
        data = {}
    time = f"{event.time:%H:%M:%S}" if event.time else "--:--:--"
    kind = event.type.removeprefix("dev.tagstream.").rpartition(".v")[0] or event.type
    parts = [time, f"{kind:<17}", _about(data), _change(data), _workload(data)]
    parts += [_pruned(data), _said(data)]
    return printable("  ".join(part for part in parts if part))


def _about(data: Mapping[str, object]) -> str:
    place = "/".join(filter(None, (_text(data, "namespace"), _text(data, "stream"))))
    tag = _text(data, "tag")
    if tag:
        return f"{place}:{tag}"
    tags = ",".join(_text(entry, "tag") for entry in _entries(data, "results", "tags"))
    return f"{place}:{tags}" if tags else place


def _change(data: Mapping[str, object]) -> str:
    old, new = (_short(_text(data, key)) for key in ("oldImage", "newImage"))
    if old == new:
        # Another policy, or a workload: the pull specs tell more than the digests.
        old, new = (short_spec(_text(data, key)) for key in ("oldPullSpec", "newPullSpec"))
    return f"{old or '(none)'} -> {new or '(none)'}" if old or new else ""


def _workload(data: Mapping[str, object]) -> str:
    kind, name = _text(data, "kind"), _text(data, "workloadName")
    if not name:
        return ""
    return f"{kind.lower()} {_text(data, 'workloadNamespace')}/{name}"


def _pruned(data: Mapping[str, object]) -> str:
    if not _text(data, "run"):
        return ""
    image = _short(_text(data, "image"))
    return image or f"{data.get('images', 0)} images, {data.get('items', 0)} items"


def _said(data: Mapping[str, object]) -> str:
    sources = [data, *_entries(data, "results")]
    for source in sources:
        said = ": ".join(filter(None, (_text(source, "reason"), _text(source, "message"))))
        if said:
            return f"({said})"
    return ""


def _entries(data: Mapping[str, object], *keys: str) -> list[Mapping[str, object]]:
    for key in keys:
        value = data.get(key)
        if isinstance(value, list):
            return [entry for entry in value if isinstance(entry, dict)]
    return []


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""


def _short(digest: str) -> str:
    return digest[:_SHORT_DIGEST_LENGTH]


def short_spec(pull_spec: str) -> str:
    """A pull spec with its digest, or a digest alone, shortened."""
    if pull_spec.startswith("sha256:"):
        return _short(pull_spec)
    name, at, digest = pull_spec.partition("@")
    return f"{name}{at}{_short(digest)}"


def printable(text: str) -> str:
    """Text without what a terminal would obey."""
    # An error message from a hostile registry must not reach the terminal's escape sequences.
    return "".join(char if char.isprintable() else "?" for char in text)
