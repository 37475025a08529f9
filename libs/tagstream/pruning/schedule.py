"""When a run is due: the schedule of an ImagePruner, five fields as cron has them, in UTC. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cronsim import CronSim, CronSimError

from tagstream.errors import InvalidInput

_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = ("minute", "hour", "day of month", "month", "day of week")
_NUMBERS = re.compile(r"[0-9*,/-]+")
_NAMES = re.compile(r"(?:[A-Z]{3}|[0-9*,/-])+")
_HINT: Final = "write five fields like '0 3 * * *', or @daily"
_LONGEST_TEXT = 200
# A missed time is made up for this long (startingDeadlineSeconds of the guide's cron job, D13).
DEADLINE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that was found to be one; `expression` has five fields."""

    expression: str


def parse_schedule(text: str, field: str = "spec.schedule") -> Schedule:
    """Raises InvalidInput, naming the field of the object and of the line."""
    expression = _MACROS.get(text.strip(), text.strip()).replace("?", "*").upper()
    parts = expression.split()
    if len(text) > _LONGEST_TEXT or len(parts) != len(_FIELDS):
        raise InvalidInput(field, f"{text[:_LONGEST_TEXT]!r} is no cron line; {_HINT}")
    for index, (name, part) in enumerate(zip(_FIELDS, parts, strict=True)):
        allowed = _NAMES if index >= 3 else _NUMBERS
        if not allowed.fullmatch(part):
            raise InvalidInput(field, f"{part!r} is no {name}; {_HINT}")
    try:
        CronSim(" ".join(parts), datetime(2024, 1, 1))  # noqa: DTZ001 - only the fields are read
    except CronSimError as error:
        why = str(error).removeprefix("Bad ").replace("-", " ")
        raise InvalidInput(field, f"{text!r} has a bad {why}; {_HINT}") from error
    return Schedule(" ".join(parts))


def decide_due(schedule: Schedule, since: datetime, now: datetime) -> datetime | None:
    """The time a run is due for: the last one after `since` and not more than an hour ago.

    `since` is the time of the last run, or when the schedule came to be. Of several missed times
    only the last counts. Both are aware; None means that nothing is due.
    """
    past = CronSim(
        schedule.expression, now.replace(microsecond=0) + timedelta(seconds=1), reverse=True
    )
    due = next(past, None)
    if due is None or due <= since or now - due > DEADLINE:
        return None
    return due


def find_next(schedule: Schedule, now: datetime) -> datetime | None:
    """The first time after `now`; None when there is none within decades."""
    return next(CronSim(schedule.expression, now), None)
