"""One command while it is applied again: the store's verbs, done to a world in memory.

What each of them does is what the function of the same name does to rows (store/stream_writes.py,
store/images.py): the rows change, a change is journalled, facts follow.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from tagstream.events.facts import Fact
from tagstream.events.jobs import Job
from tagstream.events.stream_facts import stream_facts
from tagstream.images.image_object import GROUP, image_object
from tagstream.replay.recording import Entry, Json
from tagstream.replay.world import Author, HeldImage, HeldStream, World
from tagstream.streams.delta import StreamDelta, diff
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import journal_delta
from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.streams.stream_commands import blank_stream, emptied

STREAMS, IMAGES = "imagestreams", "images"
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class NotReplayable(Exception):
    """What the command names is not there: the world has come to another state before."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A change as the replay made it; `stamp` tells the object its position."""

    body: Json
    stamp: Callable[[int], None]


@dataclass(slots=True)
class Act:
    """A command under way: what it does to the world, and what it has to tell."""

    world: World
    entry: Entry
    changes: list[Derived] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    @property
    def arguments(self) -> Json:
        return self.entry.arguments

    @property
    def second(self) -> datetime:
        """When, as decisions see it: in whole seconds."""
        return self.entry.at.replace(microsecond=0)

    @property
    def internal_registry(self) -> str:
        """What pull specs of local tags began with; said only where it is not the usual one."""
        return str(self.arguments.get("internalRegistry", INTERNAL_REGISTRY))

    def new_uid(self, what: str) -> str:
        return str(uuid.uuid5(uuid.UUID(self.entry.id), what))

    def stream(self) -> HeldStream:
        """The stream that the arguments name. Raises NotReplayable."""
        held = self.find_stream()
        if held is None:
            names = f"{self.arguments['namespace']}/{self.arguments['stream']}"
            raise NotReplayable(f"the image stream {names} is not there")
        return held

    def find_stream(self) -> HeldStream | None:
        return self.world.find(self.arguments["namespace"], self.arguments["stream"])

    def create_stream(self, stream: ImageStream) -> None:
        blank = blank_stream(stream)
        held = HeldStream(blank)
        self.world.add(held)
        self._write(held, "ADDED", blank, stream, diff(blank, stream))

    def save_stream(self, held: HeldStream, before: ImageStream, after: ImageStream) -> None:
        """`before` and `after` are loaded alike. Nothing happens when they are equal."""
        delta = diff(before, after)
        if delta:
            self._write(held, "MODIFIED", before, after, delta)

    def delete_stream(self, held: HeldStream) -> None:
        stream = held.stream
        blank = emptied(stream)
        self.world.remove(held, self.entry.id)
        self._record_stream(held, "DELETED", stream, diff(stream, blank))
        self.facts += stream_facts(stream, blank, self.internal_registry)

    def shorten_stream(
        self,
        held: HeldStream,
        before: ImageStream,
        after: ImageStream,
        gone: Iterable[tuple[str, int]],
    ) -> None:
        delta = diff(before, after)
        held.shorten(delta, gone, self.entry.id)
        self._record_stream(held, "MODIFIED", after, delta)
        self.facts += stream_facts(before, after, self.internal_registry)

    def store_images(self, bodies: Mapping[str, Json | None]) -> None:
        """Stores those that are not there. A body of None is what a registry answered: an input,
        which the recorded change holds."""
        for digest in self.world.missing_images(bodies):
            body = bodies[digest]
            image = HeldImage(
                self.new_uid(digest),
                0,
                self.second,
                self._answered(digest) if body is None else body,
            )
            self.world.images[digest] = image
            self._record_image(digest, image, "ADDED")

    def update_image(self, digest: str, body: Json) -> None:
        image = replace(self.image(digest), body=body)
        self.world.images[digest] = image
        self._record_image(digest, image, "MODIFIED")

    def delete_images(self, digests: Collection[str]) -> list[HeldImage]:
        gone = [self.image(digest) for digest in digests]
        for digest, image in zip(digests, gone, strict=True):
            del self.world.images[digest]
            self._record_image(digest, image, "DELETED")
        return gone

    def image(self, digest: str) -> HeldImage:
        try:
            return self.world.images[digest]
        except KeyError:
            raise NotReplayable(f"the image {digest} is not there") from None

    def _write(
        self,
        held: HeldStream,
        kind: ChangeType,
        before: ImageStream,
        after: ImageStream,
        delta: StreamDelta,
    ) -> None:
        held.write(delta, Author(self.entry.id, self.entry.actor, self.entry.cause))
        self._record_stream(held, kind, after, delta)
        self.facts += stream_facts(before, after, self.internal_registry)

    def _record_stream(
        self, held: HeldStream, kind: ChangeType, stream: ImageStream, delta: StreamDelta
    ) -> None:
        def stamp(position: int) -> None:
            held.stream = replace(held.stream, version=position)

        body = {
            "group": GROUP,
            "resource": STREAMS,
            "namespace": stream.namespace,
            "name": stream.name,
            "uid": stream.uid,
            "type": kind,
            "previous": stream.version,
            "delta": journal_delta(stream, delta),
        }
        self.changes.append(Derived(body, stamp))

    def _record_image(self, digest: str, image: HeldImage, kind: ChangeType) -> None:
        def stamp(position: int) -> None:
            if digest in self.world.images:
                self.world.images[digest] = replace(image, version=position)

        body = {
            "group": GROUP,
            "resource": IMAGES,
            "namespace": "",
            "name": digest,
            "uid": image.uid,
            "type": kind,
            "previous": image.version,
            "body": image_object(image.body, digest, image.uid, image.created_at),
        }
        self.changes.append(Derived(body, stamp))

    def _answered(self, digest: str) -> Json:
        for change in self.entry.changes:
            if change["resource"] == IMAGES and change["name"] == digest:
                return stored_form(change["body"])
        raise NotReplayable(f"the recording lacks what the registry answered for {digest}")


Applier = Callable[[Act], None]
"""Does a kind of command again."""


def stored_form(shown: Json) -> Json:
    """The wire form of an image object as it is stored: without what the server set."""
    body = {k: v for k, v in shown.items() if k not in ("kind", "apiVersion", "metadata")}
    metadata = {k: v for k, v in shown["metadata"].items() if k in ("labels", "annotations")}
    return {**body, "metadata": metadata} if metadata else body
