"""Random requests to the api's own storages, and random work of the services, for hypothesis.

Everything aims at few names, so that requests meet: streams `a`, `b` and `c`, tags `1` to `4`,
images `one` to `three`. Many are refused, as they should be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import strategies as st

from fakes.deliveries import Delivery, Outboxes
from fakes.service_world import NS, ServiceWorld
from fakes.story import run_pruner
from fakes.streams import digest
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.storage import DeleteOptions, WriteOptions
from tagstream.api.wire.json_types import JsonObject
from tagstream.pruning.rules import PruneRules
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    ImageImportSpec,
    ImportRequest,
    ImportResult,
    ImportStatus,
    RepositoryImportResult,
)
from tagstream.tag_tracker.ordering import SCHEDULED, order_imports
from tagstream.tag_tracker.resyncing import resync

WRITE, DELETE = WriteOptions(), DeleteOptions()
FAILED = ImportStatus(False, "NotFound", 404, "there is no such image")

streams = st.sampled_from("abc")
tags = st.sampled_from("1234")
images = st.sampled_from(("one", "two", "three"))


@dataclass(slots=True)
class FickleRegistry:
    """Stands in for importer/fetch.py:fetch. It has the image called `image` under every name;
    nothing, if that is empty."""

    image: str = "one"

    async def fetch(self, request: ImportRequest, deps: object) -> ImportResult:
        found = tuple(self._answer(spec) for spec in request.images)
        if request.repository is None:
            return ImportResult(found)
        listed = [
            replace(self._answer(ImageImportSpec(f"{request.repository.from_name}:{tag}")), tag=tag)
            for tag in "12"
        ]
        return ImportResult(found, RepositoryImportResult(ImportStatus(True), tuple(listed)))

    def _answer(self, spec: ImageImportSpec) -> ImageImportResult:
        if not self.image:
            return ImageImportResult("", FAILED)
        parts = (_fetched(spec, f"part of {self.image}"),) if self.image == "three" else ()
        return ImageImportResult("", ImportStatus(True), _fetched(spec, self.image), parts)


def _fetched(spec: ImageImportSpec, image: str) -> FetchedImage:
    repository = spec.from_name.partition("@")[0].rpartition(":")[0] or "quay.io/acme/app"
    reference = f"{repository}@{digest(image)}"
    body: JsonObject = {
        "metadata": {"name": digest(image)},
        "dockerImageReference": reference,
        "dockerImageMetadata": {},
    }
    return FetchedImage(digest(image), body, b"{}")


@dataclass(slots=True)
class Scene:
    """What a random act acts on."""

    world: ServiceWorld
    registry: FickleRegistry
    outboxes: Outboxes
    new_id: Callable[[], str]
    waiting: list[Delivery]

    def request(self) -> RequestContext:
        self.world.clock.forward(milliseconds=400)
        return RequestContext(User("jane"), self.world.clock(), self.new_id(), "oc/4.17")

    async def work(self, most: int) -> None:
        """Hand on what waits, at most so many messages."""
        for _ in range(most):
            self.waiting += await self.outboxes.read()
            if not self.waiting:
                return
            await self.world.handle(self.waiting.pop(0))


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens, with a name for hypothesis to show."""

    label: str
    do: Callable[[Scene], Awaitable[object]]

    def __repr__(self) -> str:
        return self.label


def _reference(source: JsonObject, **policy: object) -> st.SearchStrategy[JsonObject]:
    return st.fixed_dictionaries(
        {
            "from": st.just(source),
            "generation": st.sampled_from((None, 0, 0, 5)),
            "reference": st.sampled_from((False, False, False, True)),
            "importPolicy": st.just(policy),
            "referencePolicy": st.sampled_from(({"type": "Source"}, {"type": "Local"})),
            "annotations": st.sampled_from((None, None, {"owner": "jane"})),
        }
    )


registry_references = st.one_of(
    _reference({"kind": "DockerImage", "name": "quay.io/acme/app:1"}),
    _reference({"kind": "DockerImage", "name": "quay.io/acme/app:2"}, scheduled=True),
    _reference({"kind": "DockerImage", "name": f"quay.io/acme/lib@{digest('one')}"}),
)
tag_references = st.tuples(st.sampled_from(("", "", "", "a:", "b:", "c:")), tags).flatmap(
    lambda name: _reference({"kind": "ImageStreamTag", "name": "".join(name)})
)
image_references = st.tuples(streams, images, st.sampled_from((15, 71))).flatmap(
    lambda name: _reference(
        {"kind": "ImageStreamImage", "name": f"{name[0]}@{digest(name[1])[: name[2]]}"}
    )
)
references = registry_references | tag_references | image_references
specs = st.fixed_dictionaries(
    {
        "lookupPolicy": st.fixed_dictionaries({"local": st.booleans()}),
        "dockerImageRepository": st.sampled_from(("", "", "quay.io/acme/app")),
        "tags": st.dictionaries(tags, registry_references | tag_references, max_size=3).map(
            lambda some: [{**ref, "name": tag} for tag, ref in some.items()]
        ),
    }
)
headers = st.fixed_dictionaries(
    {
        "labels": st.sampled_from(({}, {"team": "web"})),
        "finalizers": st.sampled_from(([], [], [], ["acme.example/hold"])),
    }
)
statuses = st.dictionaries(tags, st.lists(images, max_size=3), max_size=3)


def _create(stream: str, header: JsonObject, spec: JsonObject) -> Act:
    body = {"metadata": {**header, "name": stream}, "spec": spec}
    return Act(f"create {body}", lambda s: s.world.api.streams.create(s.request(), NS, body, WRITE))


def _update(stream: str, header: JsonObject, spec: JsonObject) -> Act:
    def change(now: JsonObject | None) -> JsonObject:
        assert now is not None
        return {**now, "metadata": {**now["metadata"], **header}, "spec": spec}

    return Act(
        f"update {stream} {header} {spec}",
        lambda s: s.world.api.streams.update(s.request(), NS, stream, change, WRITE),
    )


def _set_status(stream: str, histories: dict[str, list[str]]) -> Act:
    def change(now: JsonObject | None) -> JsonObject:
        assert now is not None
        entries = [{"tag": tag, "items": _items(some)} for tag, some in histories.items()]
        return {**now, "status": {**now["status"], "tags": entries}}

    return Act(
        f"status of {stream}: {histories}",
        lambda s: s.world.api.streams.update(
            s.request(), NS, stream, change, WRITE, subresource="status"
        ),
    )


def _items(some: list[str]) -> list[JsonObject]:
    return [
        {
            "created": f"2026-11-23T08:00:0{number}Z",
            "dockerImageReference": f"quay.io/acme/app@{digest(image)}",
            "image": digest(image),
            "generation": number + 1,
        }
        for number, image in enumerate(some)
    ]


def _put(stream: str, tag: str, ref: JsonObject) -> Act:
    body = {"metadata": {"annotations": ref["annotations"]}, "tag": {**ref, "name": tag}}
    return Act(
        f"put {stream}:{tag} {ref}",
        lambda s: s.world.api.tags.update(
            s.request(), NS, f"{stream}:{tag}", lambda _: body, WRITE
        ),
    )


def _put_half(stream: str, tag: str, ref: JsonObject | None) -> Act:
    """As an imagetag; without a reference nobody wants anything of the tag any more."""
    body = {"metadata": {}, "spec": ref and {**ref, "name": tag}}
    return Act(
        f"imagetag {stream}:{tag} {ref}",
        lambda s: s.world.api.image_tags.update(
            s.request(), NS, f"{stream}:{tag}", lambda _: body, WRITE
        ),
    )


def _push(stream: str, tag: str, image: str) -> Act:
    reference = f"quay.io/acme/{stream}@{digest(image)}"
    pushed = {"metadata": {"name": digest(image)}, "dockerImageReference": reference}
    body = {"metadata": {"name": stream}, "tag": tag, "image": pushed}
    return Act(
        f"push {image} to {stream}:{tag}",
        lambda s: s.world.api.mappings.create(s.request(), NS, body, WRITE),
    )


def _import_now(stream: str, some: dict[str, str], repository: bool) -> Act:
    wanted = [
        {"from": {"kind": "DockerImage", "name": f"quay.io/acme/{name}"}, "to": {"name": tag}}
        for tag, name in some.items()
    ]
    spec: JsonObject = {"import": True, "images": wanted}
    if repository:
        spec["repository"] = {"from": {"kind": "DockerImage", "name": "quay.io/acme/app"}}
    body = {"metadata": {"name": stream}, "spec": spec}
    return Act(
        f"import {stream} {spec}",
        lambda s: s.world.api.imports.create(s.request(), NS, body, WRITE),
    )


def _answer(image: str) -> Act:
    async def do(scene: Scene) -> None:
        scene.registry.image = image

    return Act(f"the registry has {image or 'nothing'}", do)


def _label(image: str, label: str) -> Act:
    def change(now: JsonObject | None) -> JsonObject:
        assert now is not None
        return {**now, "metadata": {**now["metadata"], "labels": {"about": label}}}

    return Act(
        f"label {image} {label}",
        lambda s: s.world.api.images.update(s.request(), "", digest(image), change, WRITE),
    )


creations = st.builds(_create, streams, headers, specs)


async def _prune(scene: Scene) -> None:
    await run_pruner(scene.world, PruneRules(1, timedelta(0)))


tagging = st.builds(_put, streams, tags, references)
working = st.integers(1, 6).map(lambda most: Act(f"work {most}", lambda s: s.work(most)))
untagging = st.builds(
    lambda stream, tag: Act(
        f"untag {stream}:{tag}",
        lambda s: s.world.api.tags.delete(s.request(), NS, f"{stream}:{tag}", DELETE),
    ),
    streams,
    tags,
)
importing = st.builds(
    _import_now,
    streams,
    st.dictionaries(tags, st.sampled_from(("app:1", "lib:1")), min_size=1, max_size=2),
    st.booleans(),
)
scheduling = streams.map(
    lambda name: Act(
        f"the schedule of {name}", lambda s: order_imports(s.world.tracker, NS, name, SCHEDULED)
    )
)
deletions = streams.map(
    lambda name: Act(
        f"delete {name}", lambda s: s.world.api.streams.delete(s.request(), NS, name, DELETE)
    )
)
image_deletions = images.map(
    lambda image: Act(
        f"delete image {image}",
        lambda s: s.world.api.images.delete(s.request(), "", digest(image), DELETE),
    )
)
# Weighted by hand: hypothesis would choose each as often as any other.
acts = st.sampled_from(
    (
        *(tagging,) * 6,
        *(working,) * 5,
        *(st.builds(_push, streams, tags, images),) * 3,
        *(st.builds(_update, streams, headers, specs),) * 2,
        *(untagging,) * 2,
        *(st.builds(_answer, st.just("") | images),) * 2,
        st.builds(_put_half, streams, tags, st.none() | references),
        st.builds(_set_status, streams, statuses),
        st.builds(_label, images, st.sampled_from("xy")),
        st.just(Act("resync", lambda s: resync(s.world.tracker))),
        st.just(Act("prune", _prune)),
        creations,
        importing,
        scheduling,
        deletions,
        image_deletions,
    )
).flatmap(lambda chosen: chosen)
histories = st.builds(
    lambda first, rest: [*first, *rest],
    st.lists(creations, min_size=1, max_size=3),
    st.lists(acts, min_size=8, max_size=30),
)
