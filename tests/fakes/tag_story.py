"""A stream that people write one after the other, ten seconds apart, on a real Postgres."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from fakes.prune_world import Picture, body
from fakes.streams import at, delete, digest, event, history, image_stream, permanent, put
from tagstream.pruning.rules import PruneRules
from tagstream.pruning.runs import begin_run, prune
from tagstream.pruning.sweeping import Sweep
from tagstream.store.database import Database
from tagstream.store.images import store_images
from tagstream.store.journal import Command, transaction
from tagstream.store.retention import trim_changes, trim_commands
from tagstream.store.stream_writes import create_stream, delete_stream, save_stream
from tagstream.store.streams import load_stream
from tagstream.store.tag_history import Cursor, Meaning, TagTimeline, load_meaning, load_tag_history
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.status_write import decide_mapping, decide_status_update

NS, NAME = "shop", "app"


@dataclass
class Story:
    """Writes the stream shop/app; the command number n comes at second 10 n."""

    database: Database
    steps: int = 0
    commands: list[Command] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return at(10 * self.steps)

    def command(self, kind: str, actor: str = "jane", cause: str = "oc") -> Command:
        self.steps += 1
        self.commands.append(Command(str(uuid.uuid4()), kind, self.now, actor, cause))
        return self.commands[-1]

    async def create(self) -> None:
        """A stream whose tag `1` means image a, `2` image b and so on."""
        histories = [
            history(str(n), event(image, created=at(-60))) for n, image in enumerate("abcdef", 1)
        ]
        stream = image_stream(histories=histories, namespace=NS, name=NAME, uid=str(uuid.uuid4()))
        bodies = {digest(image): body(Picture(image, 0)) for image in "abcdef"}
        async with transaction(self.database, self.command("imagestream.create")) as tx:
            await store_images(tx, bodies)
            await create_stream(tx, stream, "")

    async def write(
        self, decide: Callable[[ImageStream], ImageStream], kind: str, actor: str = "jane"
    ) -> None:
        async with transaction(self.database, self.command(kind, actor)) as tx:
            before = await load_stream(tx.connection, NS, NAME, lock=True)
            assert before is not None
            await save_stream(tx, before, decide(before), "")

    async def tag(self, tag: str, image: str, actor: str = "jane") -> None:
        """`oc tag app@sha256:... app:tag`."""
        ref = permanent(tag, f"{NAME}@{digest(image)}", generation=None)
        await self.write(lambda s: put(s, ref, now=self.now), "imagestreamtag.put", actor)

    async def push(self, tag: str, image: str) -> None:
        await self.write(
            lambda s: decide_mapping(s, tag, event(image, created=self.now)),
            "imagestreammapping.create",
            "builder",
        )

    async def untag(self, tag: str, actor: str = "jane") -> None:
        await self.write(lambda s: delete(s, tag, now=self.now), "imagestreamtag.delete", actor)

    async def drop(self, actor: str = "jane") -> None:
        async with transaction(self.database, self.command("imagestream.delete", actor)) as tx:
            stream = await load_stream(tx.connection, NS, NAME, lock=True)
            assert stream is not None
            await delete_stream(tx, stream, "")

    async def told(self, tag: str, limit: int = 50, before: Cursor | None = None) -> TagTimeline:
        async with self.database.snapshot() as connection:
            found = await load_tag_history(connection, NS, NAME, tag, limit=limit, before=before)
        assert found is not None
        return found

    async def meaning(self, tag: str, moment: datetime) -> Meaning:
        async with self.database.snapshot() as connection:
            found = await load_meaning(connection, NS, NAME, tag, moment)
        assert found is not None
        return found

    async def empty(self, tag: str, actor: str = "jane") -> None:
        """A write of the status without `tag`; the specification stays."""

        def decide(stream: ImageStream) -> ImageStream:
            kept = {t: h for t, h in stream.status_tags.items() if t != tag}
            return decide_status_update(stream, replace(stream, status_tags=kept))

        await self.write(decide, "imagestream.status", actor)

    async def prune(self, keep: int) -> None:
        rules = PruneRules(keep_tag_revisions=keep, keep_younger_than=timedelta(0))
        run = await begin_run(self.database, rules, at(1000))
        assert run is not None
        sweep = Sweep(run.id, "pruner", "schedule", rules, "", clock=lambda: self.now)
        await prune(self.database, run, sweep)

    async def forget(self, before: datetime | None = None) -> None:
        """A month passes since `before`, or since all that was; it is trimmed in batches of 2."""
        before = before or at(10**6)
        async with self.database.connection() as connection:
            while await trim_commands(connection, before, 2**62, 2):
                pass
            await trim_changes(connection, before, 10**6)
