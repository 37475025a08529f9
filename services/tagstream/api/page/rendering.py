"""From values to HTML: the templates, their filters, and the headers of every page.

Owns escaping, which is Jinja's for every value in every template, and the security headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tagstream.api.engine.call import Answer
from tagstream.api.page import addresses
from tagstream.api.page.fact_lines import short_digest
from tagstream.api.page.static import StaticFiles

if TYPE_CHECKING:
    from jinja2 import Environment

HTML: Final = "text/html; charset=utf-8"
# Nothing inline, nothing from elsewhere, no frame around it. `same-origin` and not `no-referrer`:
# with the latter browsers send forms with `Origin: null`, and the check of it would refuse them.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"vary", b"accept, authorization, cookie"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Renderer:
    """The templates, read at the first page: an api that nobody looks at pays nothing for them."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = files
        self._is_loaded = False

    async def load(self) -> None:
        """Reads the templates in another thread, so that no request waits for that."""
        if not self._is_loaded:
            await asyncio.to_thread(self._load)
            self._is_loaded = True

    def _load(self) -> None:
        for name in self._templates.list_templates():
            self._templates.get_template(name)

    @cached_property
    def _templates(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        made = Environment(
            loader=PackageLoader("tagstream.api.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.filters |= {"short": short_digest, "iso": iso, "clock": clock, "age": describe_age}
        made.globals |= {
            "asset": self._files.address,
            "stream_path": addresses.stream_path,
            "tag_path": addresses.tag_path,
            "with_query": addresses.with_query,
            "paths": addresses,
        }
        return made

    def fragment(self, template: str, values: Mapping[str, object]) -> str:
        """A part of a page."""
        return self._templates.get_template(template).render(values)

    def page(
        self,
        template: str,
        values: Mapping[str, object],
        status: int = 200,
        *headers: tuple[bytes, bytes],
    ) -> Answer:
        """A whole page with the headers that all pages have."""
        body = self.fragment(template, values).encode()
        return Answer(status, HTML, body, headers=(*SECURITY, *headers))


def redirect(path: str, *headers: tuple[bytes, bytes]) -> Answer:
    """See Other: what follows a form."""
    location = (b"location", path.encode("ascii", "replace"))
    return Answer(303, HTML, b"", headers=(*SECURITY, location, *headers))


def iso(time: datetime) -> str:
    """For `datetime` attributes."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(time: datetime) -> str:
    """For people: date and time of day, UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def describe_age(time: datetime, now: datetime) -> str:
    """How long ago, in the one unit that tells it best."""
    seconds = int((now - time).total_seconds())
    if seconds < 10:
        return "just now"
    for unit_s, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        count = seconds // unit_s
        if count:
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"
