"""What a reaction to a tag says of itself, and the arguments that say it again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from tagstream.events.facts import TriggerFact, TriggerFailed, TriggerFired, TriggerSkipped

FIRED, SKIPPED, FAILED = "fired", "skipped", "failed"
_KINDS: Mapping[str, type[TriggerFact]] = {
    FIRED: TriggerFired,
    SKIPPED: TriggerSkipped,
    FAILED: TriggerFailed,
}


@dataclass(frozen=True, slots=True)
class ToldTrigger:
    """One trigger of a workload: its tag, its field, and the images before and after, empty when
    none was computed."""

    namespace: str
    stream: str
    tag: str
    field_path: str
    old_image: str = ""
    new_image: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What was done to one workload; `outcome` is FIRED, SKIPPED or FAILED. `reason` and `message`
    are empty for one that fired."""

    outcome: str
    cluster: str
    api_version: str
    kind: str
    namespace: str
    name: str
    triggers: tuple[ToldTrigger, ...]
    reason: str = ""
    message: str = ""

    def to_json(self) -> dict[str, object]:
        """For the arguments of a command; `from_json` is its inverse."""
        return {
            "outcome": self.outcome,
            "workload": [self.cluster, self.api_version, self.kind, self.namespace, self.name],
            "triggers": [
                [t.namespace, t.stream, t.tag, t.field_path, t.old_image, t.new_image]
                for t in self.triggers
            ],
            "reason": self.reason,
            "message": self.message,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, object]) -> Reaction:
        cluster, api_version, kind, namespace, name = cast("Sequence[str]", body["workload"])
        triggers = cast("Sequence[Sequence[str]]", body["triggers"])
        return cls(
            cast(str, body["outcome"]),
            cluster,
            api_version,
            kind,
            namespace,
            name,
            triggers=tuple(ToldTrigger(*one) for one in triggers),
            reason=cast(str, body["reason"]),
            message=cast(str, body["message"]),
        )


def reaction_facts(reactions: Iterable[Reaction]) -> list[TriggerFact]:
    """One fact for each tag of each reaction, in the order of the triggers."""
    return [fact for reaction in reactions for fact in _facts(reaction)]


def _facts(reaction: Reaction) -> list[TriggerFact]:
    by_tag: dict[tuple[str, str, str], list[ToldTrigger]] = {}
    for one in reaction.triggers:
        by_tag.setdefault((one.namespace, one.stream, one.tag), []).append(one)
    return [
        _KINDS[reaction.outcome](
            namespace=namespace,
            stream=stream,
            tag=tag,
            cluster=reaction.cluster,
            api_version=reaction.api_version,
            kind=reaction.kind,
            workload_namespace=reaction.namespace,
            workload_name=reaction.name,
            field_paths=tuple(one.field_path for one in group),
            old_pull_spec=group[0].old_image,
            new_pull_spec=group[0].new_image,
            reason=reaction.reason,
            message=reaction.message,
        )
        for (namespace, stream, tag), group in by_tag.items()
    ]
