"""A library as a value: what should be in the cluster. Pure; reading one is `library.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tagstream.samples_manager.objects import JsonObject


@dataclass(frozen=True, slots=True)
class Library:
    """The samples of one architecture, by name. `may_shrink` is the manifest's word for it."""

    name: str
    version: str
    streams: Mapping[str, JsonObject] = field(repr=False)
    templates: Mapping[str, JsonObject] = field(repr=False)
    may_shrink: bool = False

    @property
    def size(self) -> int:
        """How many streams and templates it has."""
        return len(self.streams) + len(self.templates)
