"""What a transaction of the pruner does once it is decided, first or again.

The commands are `prune.items`, `prune.images` and `prune.complete`; their arguments name exactly
what goes, so that `replay` does the same without looking at any workload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tagstream.errors import InvalidInput, NotFound
from tagstream.events.facts import ImagePruned, PruneCompleted
from tagstream.store.images import StoredImage, delete_images, load_images
from tagstream.store.journal import Transaction
from tagstream.store.prune import RemovableItem, load_places
from tagstream.store.stream_writes import shorten_stream
from tagstream.store.streams import load_header, load_tags
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


async def replay(tx: Transaction, internal_registry: str) -> None:
    """Does the command of the transaction again. Raises NotFound when what it names is not there,
    and InvalidInput when it is no command of the pruner."""
    arguments = tx.command.arguments
    match tx.command.kind:
        case "prune.items":
            await _replay_items(tx, arguments, internal_registry)
        case "prune.images":
            names = [str(name) for name in _listed(arguments, "images")]
            found = await load_images(tx.connection, names)
            if len(found) != len(names):
                raise NotFound(f"{len(names) - len(found)} of {len(names)} images are not there")
            await apply_images(tx, [found[name] for name in names])
        case "prune.complete":
            apply_complete(tx)
        case other:
            raise InvalidInput("kind", f"{other!r} is no command of the pruner")


async def _replay_items(tx: Transaction, arguments: Json, internal_registry: str) -> None:
    namespace, name = str(arguments["namespace"]), str(arguments["stream"])
    stream = await load_header(tx.connection, namespace, name, lock=True)
    if stream is None:
        raise NotFound(f"the image stream {namespace}/{name} is not there")
    wanted = [(str(tag), int(str(seq))) for tag, seq in _pairs(arguments)]
    items = await load_places(tx.connection, stream.uid, wanted)
    if len(items) != len(wanted):
        raise NotFound(f"items of {namespace}/{name} are not there")
    await apply_items(tx, stream, items, internal_registry)


def _listed(arguments: Json, name: str) -> Sequence[object]:
    found = arguments[name]
    assert isinstance(found, list | tuple)
    return found


def _pairs(arguments: Json) -> list[tuple[object, object]]:
    pairs = []
    for pair in _listed(arguments, "items"):
        assert isinstance(pair, list | tuple)
        pairs.append((pair[0], pair[1]))
    return pairs
