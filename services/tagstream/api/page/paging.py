"""Pages by number: which one was asked for, and where its neighbours are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagstream.api.page.addresses import with_query

_HIGHEST = 100_000


@dataclass(frozen=True, slots=True)
class Paging:
    """A place in a list of `total` rows; `page` counts from 1 and is never beyond the end."""

    total: int
    page: int
    size: int
    path: str
    query: Mapping[str, object]

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def skip(self) -> int:
        return (self.page - 1) * self.size

    @property
    def first(self) -> int:
        """The number of the first row shown, 0 when there is none."""
        return min(self.skip + 1, self.total)

    @property
    def last(self) -> int:
        return min(self.skip + self.size, self.total)

    def address(self, page: int) -> str:
        """The same list, another page."""
        return with_query(self.path, {**self.query, "page": page if page > 1 else ""})


def parse_page(asked: str) -> int:
    """The page that a query names, from 1; the first when it names none."""
    digits = asked if asked.isascii() and asked.isdigit() and len(asked) < 10 else "1"
    return max(1, min(int(digits), _HIGHEST))


def choose_page(
    total: int, asked: str, size: int, path: str, query: Mapping[str, object]
) -> Paging:
    """The page that `asked` names; the last one when there are not so many."""
    pages = max(1, -(-total // size))
    return Paging(total, min(parse_page(asked), pages), size, path, query)
