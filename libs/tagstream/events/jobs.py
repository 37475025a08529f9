"""Jobs: orders that exactly one worker takes from a queue, one frozen class each.

The fields and their meaning are defined in `proto/tagstream/v1/jobs.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from tagstream.errors import InvalidInput
from tagstream.events.message import Message, TagGeneration


class Job(Message):
    """An order: look here, and do what is needed by then."""


class ImportTags(Job):
    """Import these tags of one image stream from one registry host."""

    TYPE: ClassVar[str] = "dev.tagstream.import.tags.v1"

    import_id: str = ""
    host: str = ""
    tags: tuple[TagGeneration, ...] = ()
    scheduled: bool = False


JOBS: Final[Mapping[str, type[Job]]] = MappingProxyType({ImportTags.TYPE: ImportTags})


def parse_job(event_type: str, data: bytes | Mapping[str, object]) -> Job:
    """Read a job's data. Raises InvalidInput for an unknown type or data that does not fit."""
    if event_type not in JOBS:
        raise InvalidInput("type", f"{event_type!r} is not a job this release knows")
    return JOBS[event_type].parse(data)
