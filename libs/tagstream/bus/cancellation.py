"""Cancellation that got lost. Owns nothing else."""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """End the current task if somebody asked for it.

    Before Python 3.12 `asyncio.wait_for`, which the NATS client awaits its replies with, swallows
    a cancellation that arrives together with the reply; a loop around it would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
