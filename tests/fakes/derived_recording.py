"""Recordings made up without servers: commands are applied to a world, and what comes of them is
written down as if it had been read from a journal."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tagstream.events.stamping import FIRST_FACT, FIRST_JOB, Stamped, stamp
from tagstream.replay.act import Act
from tagstream.replay.player import APPLIERS
from tagstream.replay.recording import Entry, Header, Json, write_lines
from tagstream.replay.rows import import_rows, stream_rows
from tagstream.replay.world import World
from tagstream.streams.image_stream import ImageStream, SourceKind, TagReference, TagSource
from tagstream.streams.stream_commands import wish_to_json
from tagstream.streams.tags import with_tag

NAMESPACE = "shop"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST = 1000


class Made:
    """A recording in the making."""

    def __init__(self) -> None:
        self.world = World()
        self.entries: list[Json] = []

    def tag(self, stream: str, tag: str, image: str) -> None:
        """`oc tag` of an image by its pull spec, which no registry is asked for."""
        self._put(stream, TagReference(tag, TagSource(SourceKind.DOCKER_IMAGE, image), None, True))

    def push(self, stream: str, tag: str, digest: str) -> None:
        """An image is pushed to a tag, as `docker push` to an integrated registry does."""
        reference = f"registry.example.com/{NAMESPACE}/{stream}@{digest}"
        self.command(
            "imagestreammapping.create",
            {
                "namespace": NAMESPACE,
                "stream": stream,
                "tag": tag,
                "digest": digest,
                "reference": reference,
                "image": {"dockerImageReference": reference},
            },
        )

    def pin(self, stream: str, tag: str, digest: str) -> None:
        """`oc tag app@DIGEST app:TAG`."""
        source = TagSource(SourceKind.IMAGE_STREAM_IMAGE, f"{stream}@{digest}")
        self._put(stream, TagReference(tag, source))

    def follow(self, stream: str, tag: str, followed: str) -> None:
        """`oc tag --alias`."""
        source = TagSource(SourceKind.IMAGE_STREAM_TAG, f"{stream}:{followed}")
        self._put(stream, TagReference(tag, source))

    def delete(self, stream: str) -> None:
        self.command("imagestream.delete", {"namespace": NAMESPACE, "stream": stream})

    def command(self, kind: str, arguments: Json) -> None:
        """Any command; its changes are derived."""
        number = len(self.entries)
        entry = Entry(
            id=str(uuid.UUID(int=number)),
            position=_FIRST + number,
            at=_START + timedelta(seconds=number),
            kind=kind,
            actor="jane",
            cause="oc",
            arguments=arguments,
            changes=(),
            facts=(),
            jobs=(),
        )
        act = Act(self.world, entry)
        APPLIERS[kind](act)
        for change in act.changes:
            change.stamp(entry.position)
        stamped = {"position": str(entry.position)}
        self.entries.append(
            {
                **entry.to_json(),
                "changes": [change.body for change in act.changes],
                "facts": [_row(one, stamped) for one in stamp(entry, act.facts, FIRST_FACT)],
                "jobs": [_row(one, {}) for one in stamp(entry, act.jobs, FIRST_JOB)],
            }
        )

    def lines(self) -> list[bytes]:
        """The file."""
        header = Header(_FIRST, _FIRST + len(self.entries) - 1, _START.isoformat())
        return list(write_lines(header, [*self.entries, *self.rows()]))

    def rows(self) -> Iterable[Json]:
        for uid in sorted({*self.world.streams, *self.world.ended}):
            yield stream_rows(self.world, uid).to_json()
        yield {"rows": "imports", "imports": import_rows(self.world.imports.values())}

    def _put(self, stream: str, ref: TagReference) -> None:
        held = self.world.find(NAMESPACE, stream)
        uid = str(uuid.UUID(int=len(self.entries))) if held is None else held.stream.uid
        blank = ImageStream(NAMESPACE, stream, uid, _START)
        before = blank if held is None else held.view([ref.name])
        self.command(
            "imagestreamtag.put",
            {
                "namespace": NAMESPACE,
                "stream": stream,
                "uid": uid,
                "tag": ref.name,
                "wish": wish_to_json(before, with_tag(before, ref)),
            },
        )


def _row(one: Stamped, stamped: Json) -> Json:
    return {
        "id": one.id,
        "type": one.type,
        "subject": one.subject,
        "data": {**one.data, **stamped},
    }
