"""One user name and password. Which one fits a reference is the importer's to find."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """Shown without the password, so that a log line or an error cannot carry it."""

    username: str
    password: str = field(repr=False)

    @property
    def budget_key(self) -> str:
        """Names the account in a shared budget; computed from the user name alone."""
        return hashlib.sha256(self.username.encode()).hexdigest()[:16]

    def basic_authorization(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")
