"""What a stack remembers between starts: its ports, passwords and addresses (`DIR/state.json`).

Owns the file's shape. Unknown keys are ignored, so an older release can read a newer file.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tagstream.embedded.datadir import write_private
from tagstream.embedded.failures import SetupError


def _new_password() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class StackState:
    """Ports of 0 mean: none chosen yet. The URLs hold passwords; the file is 0600."""

    postgres_port: int = 0
    nats_port: int = 0
    postgres_password: str = field(default_factory=_new_password, repr=False)
    nats_password: str = field(default_factory=_new_password, repr=False)
    postgres_url: str = field(default="", repr=False)
    nats_url: str = field(default="", repr=False)
    api_url: str = ""
    health_ports: dict[str, int] = field(default_factory=dict)


def parse_state(text: str) -> StackState:
    """Raises `ValueError` if the text is not a state file."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("a JSON object is expected")
    known = {each.name for each in fields(StackState)} & document.keys()
    for name in known:
        if not _is_valid(name, document[name]):
            raise ValueError(f"{name} has a value of the wrong type")
    return StackState(**{name: document[name] for name in known})


def _is_valid(name: str, value: object) -> bool:
    if name == "health_ports":
        return isinstance(value, dict) and all(type(port) is int for port in value.values())
    return type(value) is (int if name.endswith("_port") else str)


def load_state(path: Path) -> StackState | None:
    """`None` if no stack has been started there; `SetupError` if the file is damaged or closed."""
    try:
        return parse_state(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise SetupError(f"{path} belongs to another user; run as that user") from error
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{path} cannot be used ({error}); put a backup of it back: "
            "it holds the password of the database beside it"
        ) from error


def save_state(path: Path, state: StackState) -> None:
    write_private(path, (json.dumps(asdict(state), indent=2) + "\n").encode())
