"""One request for a page by somebody who is known, and what every handler is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.engine.call import Answer
from tagstream.api.images.convert import RegistryNames
from tagstream.api.page.access import Reader
from tagstream.api.page.rendering import Renderer
from tagstream.store.database import Database


@dataclass(frozen=True, slots=True)
class Visit:
    """`may_sign_out` is False for a caller without a session: a client certificate, or a token
    in the request itself."""

    reader: Reader
    path: str
    query: Mapping[str, str]
    now: datetime
    may_sign_out: bool


@dataclass(frozen=True, slots=True)
class PageDeps:
    """What the handlers read from and render with."""

    database: Database
    names: RegistryNames
    renderer: Renderer
    clock: Callable[[], datetime]

    def show(
        self, visit: Visit, template: str, values: Mapping[str, object], status: int = 200
    ) -> Answer:
        """A page in the frame that everybody sees who is signed in."""
        frame = {
            "user": visit.reader.user.name,
            "may_sign_out": visit.may_sign_out,
            "now": visit.now,
            "path": visit.path,
        }
        return self.renderer.page(template, {**frame, **values}, status)

    def refuse(self, visit: Visit, status: int, title: str, sentence: str) -> Answer:
        """A page that says in one sentence why there is none."""
        return self.show(visit, "refusal.html", {"title": title, "sentence": sentence}, status)
