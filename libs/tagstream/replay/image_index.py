"""The live item rows of a stream by image, for look-ups of `app@sha256:...`.

A hot tag comes back to the same images thousands of times, so the newest row of an image has to be
found without looking at the others.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tagstream.images.digest import is_digest
from tagstream.streams.image_stream import TagEvent


class Item(Protocol):
    """What the index looks at of a row."""

    tag: str
    seq: int
    event: TagEvent


_Age = tuple[datetime, int, str]


@dataclass(slots=True)
class ImageIndex:
    """Of each image its rows by age; rows are told apart by tag and number."""

    _ages: dict[str, list[_Age]] = field(default_factory=dict)
    _rows: dict[tuple[str, int], Item] = field(default_factory=dict)

    def add(self, row: Item) -> None:
        if row.event.image:
            insort(self._ages.setdefault(row.event.image, []), _age(row))
            self._rows[row.tag, row.seq] = row

    def remove(self, row: Item) -> None:
        if not row.event.image:
            return
        ages = self._ages[row.event.image]
        del ages[bisect_left(ages, _age(row))]
        del self._rows[row.tag, row.seq]
        if not ages:
            del self._ages[row.event.image]

    def newest(self, key: str) -> tuple[TagEvent, ...]:
        """One event of each image that starts with `key`, by digest: its newest; of several as new
        that of the first tag, as the store answers (store/streams.py)."""
        return tuple(self._newest(image) for image in sorted(self._matching(key)))

    def _matching(self, key: str) -> list[str]:
        starts = (key, f"sha256:{key}")
        for start in starts:
            # A whole digest is the start of itself alone.
            if is_digest(start):
                return [start] if start in self._ages else []
        return [image for image in self._ages if image.startswith(starts)]

    def _newest(self, image: str) -> TagEvent:
        ages = self._ages[image]
        created, seq, _ = ages[-1]
        _, _, tag = ages[bisect_left(ages, (created, seq, ""))]
        return self._rows[tag, seq].event


def _age(row: Item) -> _Age:
    return row.event.created, row.seq, row.tag
