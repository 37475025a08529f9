"""`python -m bench.soak`: arguments, progress and the verdict."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench.figures import Figure, describe_run, render_text, write_soak
from bench.soak.run import SoakSettings, run_soak

_RESULTS = Path(__file__).parent.parent / "RESULTS.md"
_INTERRUPTED = 130


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=_positive, default=10.0)
    parser.add_argument("--seed", type=int, help="the order of kills and moves; random unless said")
    parser.add_argument("--kill-every", type=_positive, default=10.0, metavar="SECONDS")
    parser.add_argument("--rate", type=_positive, default=40.0, help="moves a second, about")
    parser.add_argument("--write", action="store_true", help="the section Soak of RESULTS.md")
    return parser.parse_args(argv)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 100_000:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


async def _run(settings: SoakSettings) -> list[Figure]:
    me = asyncio.current_task()
    assert me is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, me.cancel)
    return await run_soak(settings, lambda line: print(line, flush=True))


def main() -> None:
    """Exit status 1 when something was lost, doubled or grew."""
    given = _parse(sys.argv[1:])
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    settings = SoakSettings(given.minutes * 60, seed, given.kill_every, given.rate)
    facts = describe_run()
    minutes = f"{given.minutes:g} minutes"
    print(f"seed {seed}: {minutes}, a kill every {given.kill_every:g} s", flush=True)
    try:
        figures = uvloop.run(_run(settings))
    except asyncio.CancelledError:
        print("stopped; the stack is down, nothing was judged", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    print("\n".join(["", *facts, "", render_text(figures)]))
    bad = [figure.name for figure in figures if figure.is_met is False]
    print(
        f"\nseed {seed}: " + (f"FAILED: {', '.join(bad)}" if bad else "nothing lost, nothing twice")
    )
    if given.write:
        facts.append(f"{minutes}, a kill every {given.kill_every:g} s, seed {seed}")
        write_soak(_RESULTS, figures, facts)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
