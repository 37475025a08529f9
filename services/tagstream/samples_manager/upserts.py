"""Which samples are created, rewritten or let go. Pure.

Owns the reactions of spec/samples-and-templates.md §7.1, §7.3 and §9: in the steady state an edit
that keeps the version annotation is left alone until the next full pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tagstream.samples_manager.actions import Action, Reason, Target, Verb
from tagstream.samples_manager.config import Spec
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import (
    MANAGED,
    VERSION,
    JsonObject,
    annotations_of,
    is_managed,
    labels_of,
)
from tagstream.samples_manager.samples import (
    build_stream,
    build_template,
    is_same_stream,
    is_same_template,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    target: Target
    build: Callable[[JsonObject, JsonObject | None], JsonObject]
    is_same: Callable[[JsonObject, JsonObject], bool]
    version: str


def decide_samples(
    library: Library,
    spec: Spec,
    streams: Mapping[str, JsonObject],
    templates: Mapping[str, JsonObject],
    full_pass: Reason | None,
) -> list[Action]:
    """The writes that bring streams and templates where they should be, in order of name."""

    def new_stream(sample: JsonObject, stored: JsonObject | None) -> JsonObject:
        return build_stream(sample, stored, registry=spec.registry, version=library.version)

    new_template = partial(_build_template, version=library.version)
    of_streams = _Kind(Target.STREAM, new_stream, is_same_stream, library.version)
    of_templates = _Kind(Target.TEMPLATE, new_template, is_same_template, library.version)
    # Templates do not depend on the registry.
    template_pass = None if full_pass is Reason.OTHER_REGISTRY else full_pass
    return [
        *_decide(of_streams, library.streams, streams, spec.skipped_streams, full_pass),
        *_decide(of_templates, library.templates, templates, spec.skipped_templates, template_pass),
    ]


def _build_template(sample: JsonObject, stored: JsonObject | None, *, version: str) -> JsonObject:
    return build_template(sample, stored, version=version)


def _decide(
    kind: _Kind,
    wanted: Mapping[str, JsonObject],
    stored: Mapping[str, JsonObject],
    skipped: tuple[str, ...],
    full_pass: Reason | None,
) -> Iterator[Action]:
    for name, sample in sorted(wanted.items()):
        there = stored.get(name)
        if name in skipped:
            if there is not None and is_managed(there):
                yield Action(Verb.UNMARK, kind.target, name, Reason.SKIPPED, there)
            continue
        if there is None:
            body = kind.build(sample, None)
            yield Action(Verb.CREATE, kind.target, name, full_pass or Reason.MISSING, body)
            continue
        reason = full_pass or _reason_to_rewrite(there, kind.version)
        if reason is None:
            continue
        body = kind.build(sample, there)
        if not kind.is_same(there, body):
            yield Action(Verb.REPLACE, kind.target, name, reason, body)


def _reason_to_rewrite(there: JsonObject, version: str) -> Reason | None:
    if annotations_of(there).get(VERSION) != version:
        return Reason.NOT_OF_THIS_VERSION
    return Reason.NOT_SKIPPED_ANY_MORE if labels_of(there).get(MANAGED) == "false" else None
