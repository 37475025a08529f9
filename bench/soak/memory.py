"""Whether memory stays flat: each service sampled, the second quarter of a run beside the last."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field

from bench.processes import list_pss_mib

# These keep caches whose size is bounded but reached late: shared buffers, the window in which
# doubled messages are recognised.
_MAY_FILL_MIB = {"postgres": 128.0, "nats-server": 64.0}
_GROWTH_MIB, _GROWTH_SHARE = 6.0, 0.12
_SAMPLES_MIN = 12


@dataclass(frozen=True, slots=True)
class Trend:
    """One service: medians in MiB (of one process; all of PostgreSQL's), slope in MiB a minute."""

    name: str
    second_mib: float
    last_mib: float
    slope: float

    @property
    def is_flat(self) -> bool:
        """Whether the growth is noise, or a cache that is known to fill."""
        allowed = _MAY_FILL_MIB.get(self.name, 0.0)
        allowed = max(allowed, _GROWTH_MIB, _GROWTH_SHARE * self.second_mib)
        return self.last_mib - self.second_mib <= allowed

    def line(self) -> str:
        """For the table's details."""
        return f"{self.name} {self.second_mib:.0f} -> {self.last_mib:.0f} ({self.slope:+.1f}/min)"


@dataclass(slots=True)
class Memory:
    """Samples by service, each with its moment in seconds."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    total_mib: float = 0.0

    def sample(self, pid: int, at_s: float) -> None:
        """Measure the tree of a process."""
        sizes = list_pss_mib(pid)
        self.total_mib = sum(size for _, size in sizes)
        for name in {name for name, _ in sizes} - {"gone", "other"}:
            of_it = [size for each, size in sizes if each == name]
            size = sum(of_it) if name == "postgres" else statistics.mean(of_it)
            self.samples[name].append((at_s, size))

    def trends(self) -> list[Trend]:
        """Of each service that was seen often enough; the largest first."""
        found = [
            _trend(name, samples)
            for name, samples in self.samples.items()
            if len(samples) >= _SAMPLES_MIN
        ]
        return sorted(found, key=lambda trend: -trend.last_mib)


def _trend(name: str, samples: list[tuple[float, float]]) -> Trend:
    quarter = len(samples) // 4
    second = [size for _, size in samples[quarter : 2 * quarter]]
    last = [size for _, size in samples[-quarter:]]
    later = samples[len(samples) // 2 :]
    slope, _ = statistics.linear_regression([at for at, _ in later], [size for _, size in later])
    return Trend(name, statistics.median(second), statistics.median(last), slope * 60)
