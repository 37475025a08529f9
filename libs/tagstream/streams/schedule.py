"""How many scheduled checks may start now: a token bucket, as a value.

Source: spec/image-api-and-import.md §7.3 (maxScheduledImageImportsPerMinute).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNLIMITED = -1
_BURST_MINUTES = 2


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Tokens flow in evenly, `per_minute` of them, up to two minutes' worth; it starts full.

    `per_minute` `UNLIMITED` never runs dry. One token is one stream's check.
    """

    per_minute: int
    tokens: float
    filled_at: datetime

    @classmethod
    def full(cls, per_minute: int, now: datetime) -> TokenBucket:
        """A bucket nobody has taken from yet."""
        return cls(per_minute, float(per_minute * _BURST_MINUTES), now)

    def available(self, now: datetime, most: int) -> int:
        """Whole tokens at `now`, at most `most`."""
        if self.per_minute == UNLIMITED:
            return most
        return max(0, min(most, int(self._level(now))))

    def spend(self, count: int, now: datetime) -> TokenBucket:
        """The bucket after `count` tokens were taken out at `now`."""
        if self.per_minute == UNLIMITED:
            return self
        return TokenBucket(self.per_minute, self._level(now) - count, max(now, self.filled_at))

    def _level(self, now: datetime) -> float:
        # A clock that was set back must not take tokens away.
        elapsed_s = max(0.0, (now - self.filled_at).total_seconds())
        full = float(self.per_minute * _BURST_MINUTES)
        return min(full, self.tokens + elapsed_s * self.per_minute / 60)
