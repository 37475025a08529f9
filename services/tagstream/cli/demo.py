"""`tagstream demo`."""

from __future__ import annotations

import click

from tagstream.demo.run import run_demo


@click.command(short_help="Do the main job for real, in a minute, and clean up.")
@click.option("--keep", is_flag=True, help="Keep the stack running until Ctrl-C.")
def demo(keep: bool) -> None:
    """Import a tag, move it, watch a workload follow it, and roll back.

    Everything runs on this machine, on a stack of its own that is removed afterwards. Exit status
    0 means that every step really happened.
    """
    run_demo(keep=keep)
