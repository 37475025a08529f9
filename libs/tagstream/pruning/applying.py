"""What a transaction of the pruner does once it is decided.

The commands are `prune.items`, `prune.images` and `prune.complete`; their arguments name exactly
what goes, so that a replay does the same without looking at any workload
(`tagstream.replay.other_appliers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tagstream.events.facts import ImagePruned, PruneCompleted
from tagstream.store.images import StoredImage, delete_images
from tagstream.store.journal import Transaction
from tagstream.store.prune import RemovableItem
from tagstream.store.stream_writes import shorten_stream
from tagstream.store.streams import load_tags
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.status_write import decide_shortened

ITEMS = "prune.items"
IMAGES = "prune.images"
COMPLETE = "prune.complete"

Json = Mapping[str, object]


async def apply_items(
    tx: Transaction, stream: ImageStream, items: Sequence[RemovableItem], internal_registry: str
) -> None:
    """Takes items out of the histories of a locked stream (its header)."""
    places: dict[str, set[int]] = {}
    for item in items:
        places.setdefault(item.tag, set()).add(item.place)
    before = await load_tags(tx.connection, stream, sorted(places), whole_history=True)
    after = decide_shortened(before, places)
    gone = [(item.tag, item.seq) for item in items]
    await shorten_stream(tx, before, after, gone, internal_registry)


async def apply_images(tx: Transaction, gone: Sequence[StoredImage]) -> None:
    """Removes locked images, a fact for each."""
    await delete_images(tx, gone)
    run = str(tx.command.arguments["run"])
    for image in gone:
        pull_spec = str(image.body.get("dockerImageReference") or "")
        tx.emit(ImagePruned(run=run, image=image.digest, pull_spec=pull_spec))


def apply_complete(tx: Transaction) -> None:
    """Tells the end of a run, with the figures that the command's arguments hold."""
    tx.emit(PruneCompleted.parse(tx.command.arguments))
