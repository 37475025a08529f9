"""The token bucket of scheduled imports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tagstream.streams.schedule import UNLIMITED, TokenBucket

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_full_bucket_holds_two_minutes_worth() -> None:
    assert TokenBucket.full(60, NOW).available(NOW, 1000) == 120


def test_tokens_come_back_evenly_and_not_beyond_the_brim() -> None:
    empty = TokenBucket.full(60, NOW).spend(120, NOW)
    assert empty.available(NOW, 1000) == 0
    assert empty.available(NOW + timedelta(seconds=2.5), 1000) == 2
    assert empty.available(NOW + timedelta(hours=1), 1000) == 120


def test_a_fraction_left_over_is_not_lost() -> None:
    bucket = TokenBucket.full(60, NOW).spend(120, NOW)
    half = NOW + timedelta(seconds=0.5)
    assert bucket.spend(0, half).available(NOW + timedelta(seconds=1), 10) == 1


def test_a_clock_set_back_takes_nothing_away() -> None:
    bucket = TokenBucket.full(60, NOW).spend(20, NOW)
    earlier = NOW - timedelta(hours=1)
    assert bucket.available(earlier, 1000) == 100
    assert bucket.spend(0, earlier).available(NOW, 1000) == 100


def test_unlimited_never_runs_dry_and_zero_never_flows() -> None:
    assert TokenBucket.full(UNLIMITED, NOW).spend(9999, NOW).available(NOW, 7) == 7
    assert TokenBucket.full(0, NOW).available(NOW + timedelta(days=1), 7) == 0
