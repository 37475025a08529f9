"""Memory and processor time of a process tree, from /proc."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

_MODULE = re.compile(r"-m\0tagstream\.([a-z_]+)")
_TICKS = os.sysconf("SC_CLK_TCK")


def list_tree(pid: int) -> list[int]:
    """A process and all its descendants that still live."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += list_tree(int(child))
    return found


def name_process(pid: int) -> str:
    """The service a process belongs to; all of PostgreSQL's share one name."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return "gone"
    if "postgres" in command.split("\0")[0]:
        return "postgres"
    if "nats-server" in command.split("\0")[0]:
        return "nats-server"
    found = _MODULE.search(command)
    name = found[1].replace("_", "-") if found else "other"
    return "up (supervisor)" if name == "cli" else name


def list_pss_mib(pid: int) -> list[tuple[str, float]]:
    """Service and proportional set size in MiB of each process of a tree."""
    sizes = []
    for each in list_tree(pid):
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        size = sum(int(n.split()[1]) for n in rollup.splitlines() if n.startswith("Pss:"))
        sizes.append((name_process(each), size / 1024))
    return sizes


def measure_pss_mib(pid: int) -> dict[str, float]:
    """Proportional set size of each service of a tree, in MiB, largest first."""
    sizes: dict[str, float] = defaultdict(float)
    for name, size in list_pss_mib(pid):
        sizes[name] += size
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def measure_cpu_s(pid: int) -> dict[int, tuple[str, float]]:
    """Processor seconds used so far by each process of a tree, with its service."""
    used = {}
    for each in list_tree(pid):
        try:
            stat = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used[each] = (name_process(each), (int(stat[11]) + int(stat[12])) / _TICKS)
    return used


def cpu_between(
    before: dict[int, tuple[str, float]], after: dict[int, tuple[str, float]]
) -> dict[str, float]:
    """Processor seconds by service between two measurements."""
    used: dict[str, float] = defaultdict(float)
    for pid, (name, seconds) in after.items():
        used[name] += seconds - before.get(pid, (name, 0.0))[1]
    return dict(sorted(used.items(), key=lambda item: -item[1]))
