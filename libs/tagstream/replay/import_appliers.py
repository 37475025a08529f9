"""Commands of imports, applied again. What a registry answered is an input: the results stand in
the arguments, the images in the recorded changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tagstream.events.import_facts import import_fact, import_job
from tagstream.replay.act import Act, Applier, NotReplayable
from tagstream.replay.world import HeldImport
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_applying import decide_applied, tags_of
from tagstream.streams.import_orders import OrderedImport, decide_all_orders, make_orders
from tagstream.streams.import_request import FetchedImage, ImportResult, digests_named_by
from tagstream.streams.import_results import requested_images, requested_tag_imports
from tagstream.streams.imports import decide_import


def _read_result(body: Mapping[str, Any]) -> ImportResult:
    """The result, with images of which only digest and reference are known: all that decisions
    look at."""
    unknown = {digest: FetchedImage(digest, {}, b"") for digest in digests_named_by(body)}
    return ImportResult.from_json(body, unknown)


def _apply_requested_import(act: Act) -> None:
    """`oc import-image`: fetched and written within one request."""
    arguments = act.arguments
    result = _read_result(arguments["result"])
    imports = requested_tag_imports(arguments["spec"], result)
    held = act.find_stream()
    act.store_images(dict.fromkeys(requested_images(arguments["spec"], result)))
    if held is None:
        name = arguments["stream"]
        base = ImageStream(arguments["namespace"], name, act.new_uid(name), act.second)
        act.create_stream(decide_import(base, imports, act.second, act.internal_registry))
    else:
        base = held.view(i.tag for i in imports)
        after = decide_import(base, imports, act.second, act.internal_registry)
        act.save_stream(held, base, after)


def _apply_orders(act: Act) -> None:
    arguments, held = act.arguments, act.stream()
    stream = held.stream
    scheduled = arguments["scheduled"]
    orders = decide_all_orders(
        stream,
        act.world.under_way(stream.uid),
        scheduled=scheduled,
        deadline_s=arguments["deadlineSeconds"],
    )
    for order in make_orders(act.entry.id, stream, orders, scheduled=scheduled):
        act.world.imports[order.id] = HeldImport(order, act.entry.at)
        act.jobs.append(import_job(order, stream.generation))


def _apply_reordering(act: Act) -> None:
    order = OrderedImport.from_json(act.arguments["import"])
    act.world.imports[order.id] = HeldImport(order, act.entry.at)
    act.jobs.append(import_job(order, 0))


def _apply_finish(act: Act) -> None:
    order, result = OrderedImport.from_json(act.arguments["import"]), act.arguments["result"]
    known = act.world.imports.get(order.id) or HeldImport(order, act.entry.at)
    act.world.imports[order.id] = replace(known, result=result, finished_at=act.entry.at)
    act.facts.append(import_fact(order, _read_result(result)))


def _apply_result(act: Act) -> None:
    order = OrderedImport.from_json(act.arguments["import"])
    result = _read_result(act.arguments["result"])
    act.world.imports.pop(order.id, None)
    held = act.world.streams.get(order.stream_uid)
    if held is None:
        raise NotReplayable(f"the image stream {order.namespace}/{order.stream} is not there")
    before = held.view(tags_of(order.generations, result))
    applied = decide_applied(before, order, result, act.second, act.internal_registry)
    if applied is not None:
        act.store_images(dict.fromkeys(applied.images()))
        act.save_stream(held, before, applied.after)


APPLIERS: Mapping[str, Applier] = {
    "imagestreamimport.create": _apply_requested_import,
    "import.request": _apply_orders,
    "import.again": _apply_reordering,
    "import.finish": _apply_finish,
    "import.apply": _apply_result,
}
