"""A moment in the past as a person writes it: `--at 2h` or `--at 2026-11-23T06:14:48Z`. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tagstream.cli.since import parse_since
from tagstream.errors import InvalidInput


def parse_moment(text: str, now: datetime, option: str = "--at") -> datetime:
    """An age (`90s`, `30m`, `2h`, `7d`) or a time as RFC 3339 has it, UTC where it names no zone.

    Raises `InvalidInput` for anything else and for the future.
    """
    moment = _before(text, now) or _written(text)
    if moment is None:
        raise InvalidInput(
            option,
            f"{text!r} must be an age like 30m, 2h, 7d or a time like 2026-11-23T06:14:48Z",
        )
    if moment > now:
        raise InvalidInput(option, f"{text!r} is in the future; it is now {now:%Y-%m-%dT%H:%M:%SZ}")
    return moment


def _before(text: str, now: datetime) -> datetime | None:
    try:
        age = parse_since(text)
        return now - age if isinstance(age, timedelta) else None
    except (InvalidInput, OverflowError):
        return None


def _written(text: str) -> datetime | None:
    # A date in the basic format, 20261123, would be taken for a sequence number elsewhere.
    if not text.isascii() or "-" not in text[4:5]:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
