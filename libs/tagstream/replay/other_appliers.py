"""Commands of the pruner and the trigger-dispatcher, applied again."""

from __future__ import annotations

from collections.abc import Mapping

from tagstream.events.facts import ImagePruned, PruneCompleted
from tagstream.events.trigger_facts import Reaction, reaction_facts
from tagstream.replay.act import Act, Applier, NotReplayable
from tagstream.replay.world import HeldStream
from tagstream.streams.status_write import decide_shortened


def _apply_pruned_items(act: Act) -> None:
    held = act.stream()
    items = [(str(tag), int(seq)) for tag, seq in act.arguments["items"]]
    places: dict[str, set[int]] = {}
    for tag, seq in items:
        places.setdefault(tag, set()).add(_place(held, tag, seq))
    before = held.view(places, whole_history=True)
    act.shorten_stream(held, before, decide_shortened(before, places), items)


def _place(held: HeldStream, tag: str, seq: int) -> int:
    """0 is the head."""
    for place, row in enumerate(reversed(held.live.get(tag, []))):
        if row.seq == seq:
            return place
    raise NotReplayable(f"the tag {tag} has no item {seq}")


def _apply_pruned_images(act: Act) -> None:
    digests = act.arguments["images"]
    for digest, image in zip(digests, act.delete_images(digests), strict=True):
        pull_spec = str(image.body.get("dockerImageReference") or "")
        act.facts.append(ImagePruned(run=act.arguments["run"], image=digest, pull_spec=pull_spec))


def _apply_prune_end(act: Act) -> None:
    act.facts.append(PruneCompleted.parse(act.arguments))


def _apply_trigger(act: Act) -> None:
    """What became of a workload is an input: it happened in a cluster."""
    act.facts += reaction_facts(map(Reaction.from_json, act.arguments["reactions"]))


APPLIERS: Mapping[str, Applier] = {
    "prune.items": _apply_pruned_items,
    "prune.images": _apply_pruned_images,
    "prune.complete": _apply_prune_end,
    "trigger": _apply_trigger,
}
