"""What becomes of a message after its handler: acknowledged, tried later, or put aside.

Pure. This module alone maps results and the errors of `tagstream.errors` to acks, delays and
dead letters; `consume.py` carries the decision out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tagstream.errors import Conflict, InvalidInput, NotFound, Unavailable, Upstream

CONFLICT_QUICK_RETRIES = 3
CONFLICT_QUICK_DELAY_S = 0.1
RETRY_AFTER_MAX_S = 3600.0
DEFERRED_DELAY_MAX_S = 24 * 3600.0


class Outcome(StrEnum):
    """How a handler finished; the log line and the metric's attribute."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    GONE = "gone"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: hand the message out again after `delay_s` seconds. Never counts as a failure."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Ack:
    """Finished."""


@dataclass(frozen=True, slots=True)
class Nak:
    """Deliver again after `delay_s` seconds; never at once, which burns deliveries in a loop."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Keep it for a person to look at, and finish it here."""

    reason: str


class FailureKind(StrEnum):
    """Failures that are counted apart: waiting for a server must not use up a bug's attempts."""

    CONFLICT = "conflict"
    TRANSIENT = "transient"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class _Growth:
    first_s: float
    limit_s: float

    def delay_s(self, attempt: int, rand: float) -> float:
        """Doubles from `first_s` to `limit_s`, less up to a half of it by `rand`."""
        exponent = min(max(attempt, 1) - 1, 30)
        return float(min(self.limit_s, self.first_s * 2.0**exponent) * (1.0 - rand / 2))


_CONFLICT = _Growth(first_s=1.0, limit_s=30.0)
_UNAVAILABLE = _Growth(first_s=0.5, limit_s=30.0)
_UPSTREAM = _Growth(first_s=2.0, limit_s=300.0)
_UNEXPECTED = _Growth(first_s=1.0, limit_s=120.0)


def failure_kind(error: BaseException) -> FailureKind:
    """Under which count a failure goes."""
    if isinstance(error, Conflict):
        return FailureKind.CONFLICT
    if isinstance(error, Unavailable) or (isinstance(error, Upstream) and error.transient):
        return FailureKind.TRANSIENT
    return FailureKind.UNEXPECTED


def decide_disposition(
    result: Outcome | Deferred | BaseException,
    attempts: int,
    *,
    max_deliveries: int,
    rand: float,
) -> Ack | Nak | DeadLetter:
    """The rule of architecture, "Errors", as a table.

    `attempts` is how often the message failed in this way, this time included; `rand` is in
    [0, 1) and spreads the retries. Only errors that nobody foresaw use up `max_deliveries`: a
    server that is away for a day costs no message. An `Upstream` that is not transient should have
    become a condition in the handler, so one that arrives here is a bug like any other.
    """
    match result:
        case Outcome() | NotFound():
            return Ack()
        case Deferred(delay_s):
            return Nak(min(max(delay_s, 0.0), DEFERRED_DELAY_MAX_S))
        case InvalidInput():
            return DeadLetter(f"invalid: {result}")
        case Conflict() if attempts <= CONFLICT_QUICK_RETRIES:
            return Nak(CONFLICT_QUICK_DELAY_S * attempts * (1.0 - rand / 2))
        case Conflict():
            return Nak(_CONFLICT.delay_s(attempts - CONFLICT_QUICK_RETRIES, rand))
        case Unavailable():
            return Nak(_UNAVAILABLE.delay_s(attempts, rand))
        case Upstream(transient=True):
            return Nak(_upstream_delay_s(result, attempts, rand))
        case _:
            return _give_up_or_retry(result, attempts, max_deliveries, rand)


def _upstream_delay_s(error: Upstream, attempts: int, rand: float) -> float:
    if error.retry_after_s is None:
        return _UPSTREAM.delay_s(attempts, rand)
    # Never earlier than asked for; a little later, so that not everybody comes at once.
    return min(max(error.retry_after_s, 0.1), RETRY_AFTER_MAX_S) * (1.0 + rand / 10)


def _give_up_or_retry(
    error: object, attempts: int, max_deliveries: int, rand: float
) -> Nak | DeadLetter:
    if attempts >= max_deliveries:
        return DeadLetter(f"failed {attempts} times, last with {type(error).__name__}: {error}")
    return Nak(_UNEXPECTED.delay_s(attempts, rand))
