"""Where in the event stream to begin: `--since 10m` or `--since 4711`. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

from tagstream.errors import InvalidInput

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"([0-9]{1,9})([smhd])")


def parse_since(text: str) -> timedelta | int:
    """An age (`90s`, `10m`, `2h`, `7d`) or a sequence number of the stream (from 1).

    Raises `InvalidInput` for anything else.
    """
    if text.isascii() and text.isdigit() and 1 <= int(text) < 2**63:
        return int(text)
    match = _AGE.fullmatch(text)
    if match is None:
        raise InvalidInput(
            "--since", f"{text!r} must be an age like 90s, 10m, 2h, 7d or a sequence number from 1"
        )
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError as error:
        raise InvalidInput("--since", f"{text!r} is too long ago; the longest is 30d") from error
