"""How many browsers may follow the events at once: of everybody, and of one caller. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

MOST = 200
MOST_EACH = 10


class NoPlace(Exception):
    """`is_own` when the caller has them all, else everybody together has."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class Places:
    """Who holds them. A place is counted from when it is taken, before anything is sent."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, user: str) -> Callable[[], None]:
        """A place; call what is returned to give it back, more than once if need be.

        Raises NoPlace.
        """
        if self._taken[user] >= MOST_EACH:
            raise NoPlace(is_own=True)
        if self._taken.total() >= MOST:
            raise NoPlace(is_own=False)
        self._taken[user] += 1
        held = [user]

        def leave() -> None:
            if held:
                self._taken -= Counter([held.pop()])

        return leave
