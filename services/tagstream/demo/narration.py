"""How the story looks: a title, the command that anybody would type, what really happened.

Owns the layout, for a terminal and without one. Every step is printed when it is over, so that what
is on the screen has happened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

_WIDTH = 100
_SHORT_LENGTH = len("sha256:") + 12


class Step:
    """One step while it runs; `say` adds a line to what has happened."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Narrator:
    """Counts the steps and prints them."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._count = 0

    def title(self, text: str) -> None:
        self._console.print(Text(text, style="bold"))

    def line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))

    @contextmanager
    def step(self, title: str, command: str) -> Iterator[Step]:
        """Times and prints the step; one that raises is marked as failed."""
        self._count += 1
        started_at = time.monotonic()
        step = Step()
        try:
            with self._console.status(f"{title} ...", spinner="line"):
                yield step
        except BaseException:
            self._print(title, command, [*step.lines, "this did not happen"], "red", started_at)
            raise
        self._print(title, command, step.lines, "green", started_at)

    def _print(
        self, title: str, command: str, lines: list[str], style: str, started_at: float
    ) -> None:
        took = duration(time.monotonic() - started_at)
        width = min(self._console.width, _WIDTH) if self._console.is_terminal else _WIDTH
        head = Text()
        head.append(f"{self._count:>2} ", style=f"bold {style}")
        head.append(title, style="bold")
        head.append(took.rjust(max(width - len(head.plain), len(took) + 2)), style="dim")
        self._console.print(head)
        self._console.print(Text(f"   $ {command}", style="cyan"))
        for line in lines:
            self._console.print(Text(f"   {line}"))


def duration(seconds: float) -> str:
    """`23 ms`, `3.1 s`."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(seconds, 0) * 1000:.0f} ms"


def short(reference: str) -> str:
    """A digest, or a pull spec by digest, with the first 12 hex digits."""
    name, marker, digest = reference.rpartition("sha256:")
    return f"{name}{marker}{digest}"[: len(name) + _SHORT_LENGTH] if marker else reference
