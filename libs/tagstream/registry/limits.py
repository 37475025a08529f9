"""How much a registry may cost us: sizes, times, retries, requests at once.

Owns the numbers and the decision whether to try again. It does no I/O; counting requests a second
across replicas is a `Budget` handed in by the process.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from weakref import WeakValueDictionary

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request, and how often it is repeated."""

    manifest_bytes: int = 4 * MIB
    config_bytes: int = 8 * MIB
    token_bytes: int = 1 * MIB
    tags_page_bytes: int = 4 * MIB
    error_bytes: int = 64 * 1024
    tags_pages: int = 1000
    tags_total: int = 100_000
    ping_timeout_s: float = 15.0
    request_timeout_s: float = 60.0
    redirects: int = 5
    retries: int = 2
    network_retry_s: float = 1.0
    server_retry_s: float = 1.0
    throttled_retry_s: float = 2.0


class Budget(Protocol):
    """The share of a registry's patience that this process may use."""

    async def acquire(self, host: str, credential_key: str) -> None:
        """Return when one more request to `host` is allowed; `credential_key` is no secret."""


class HostConcurrency:
    """How many requests may be under way to one host, over all imports of this process."""

    def __init__(self, per_host: int = 32) -> None:
        self._per_host = per_host
        # Weak: a host that nobody talks to costs nothing, and its count is zero anyway.
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def slot(self, host: str) -> asyncio.Semaphore:
        """The semaphore of a host, for `async with`."""
        slot = self._slots.get(host)
        if slot is None:
            slot = self._slots[host] = asyncio.Semaphore(self._per_host)
        return slot


def decide_retry_s(
    limits: Limits, attempt: int, *, status: int, transient: bool, retry_after_s: float | None
) -> float | None:
    """Seconds to wait before trying again; None when it is final.

    `attempt` counts from 0; `status` is 0 when there was no answer, and only then does `transient`
    count. Rule: spec/image-api-and-import.md §6.6 with the recommended additions.
    """
    if attempt >= limits.retries:
        return None
    if status == 429:
        return limits.throttled_retry_s if retry_after_s is None else retry_after_s
    if status in (502, 503, 504):
        return limits.server_retry_s if retry_after_s is None else retry_after_s
    if status == 0 and transient:
        return limits.network_retry_s
    return None


def parse_retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date; None when absent or unreadable."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        return None
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
