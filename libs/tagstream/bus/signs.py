"""Signs of life of whoever has a request, and what their absence means for who waits.

Owns the names on the wire, and `Asking`, the decision when to look for another replica. Pure; the
clock is handed in. Asking is `requests.py`, answering `sharing.py`, the reasons are in ADR 15.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

SIGN_HEADER = "Tagstream-Sign"
WANTED_HEADER = "Tagstream-Signs-Wanted"
"""On a request whose asker reads signs: any other takes the first message for the answer."""

# Most answers are faster, and cost no sign.
SIGN_FIRST_S = 0.5
SIGN_EVERY_S = 1.0

_UNSEEN_S = 1.5
_SILENT_S = 3.0
_LOOK_EVERY_S = 0.5
_NO_RESPONDERS = "503"


class Sign(StrEnum):
    """What an asker hears besides the answer.

    `HERE` answers the question who is there; its body is the subject of that replica alone.
    `NOBODY` is the NATS server's: no replica listens on the subject that was written to.
    """

    WORKING = "working"
    LEAVING = "leaving"
    HERE = "here"
    NOBODY = "nobody"


class Step(Enum):
    """What the asker does next. `GIVE` is for the replica that the sign came from."""

    WAIT = "wait"
    LOOK = "look for a replica that is there"
    GIVE = "give it the request"
    REFUSE = "nobody serves this"


def look_subject(subject: str) -> str:
    """Where every replica hears the question who is there."""
    return f"{subject}.look"


def replica_subject(subject: str, replica_id: str) -> str:
    """Where one replica alone hears requests; the id is one token."""
    return f"{subject}.replica.{replica_id}"


def is_replica_subject(subject: str, replica: str) -> bool:
    """Whether `replica` is what `replica_subject` makes for some id."""
    head, _, replica_id = replica.rpartition(".")
    return head == f"{subject}.replica" and replica_id.isalnum()


def sign_of(headers: Mapping[str, str] | None) -> Sign | None:
    """The sign that a message is, or None for the answer. A sign that we do not know yet says at
    least that somebody works."""
    if not headers:
        return None
    if headers.get("Status") == _NO_RESPONDERS:
        return Sign.NOBODY
    sign = headers.get(SIGN_HEADER)
    if sign is None:
        return None
    try:
        return Sign(sign)
    except ValueError:
        return Sign.WORKING


class Asking:
    """One request that was given to some replica; `due_at` is when to call `on_silence`.

    A replica that sends no signs (one of an older release) is waited for; another one that does is
    given the request besides.
    """

    def __init__(self, now: float) -> None:
        self.due_at = now + _UNSEEN_S
        self._is_first = True
        self._looks = False

    def on_silence(self, now: float) -> Step:
        """Nothing was heard until `due_at`."""
        self._is_first, self._looks = False, True
        self.due_at = now + _LOOK_EVERY_S
        return Step.LOOK

    def on_sign(self, sign: Sign, now: float) -> Step:
        """A sign came."""
        if sign is Sign.NOBODY and self._is_first:
            return Step.REFUSE
        self._is_first = False
        if sign is Sign.WORKING:
            self._looks = False
            self.due_at = now + _SILENT_S
        elif self._looks:
            return self._on_found(now) if sign is Sign.HERE else Step.WAIT
        elif sign is not Sign.HERE:
            # It is gone, or says that it goes: no need to wait for silence.
            self.due_at = now
        return Step.WAIT

    def _on_found(self, now: float) -> Step:
        self._looks = False
        self.due_at = now + _UNSEEN_S
        return Step.GIVE
