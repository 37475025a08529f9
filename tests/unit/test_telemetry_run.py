"""A process stops when told to and explains why it could not start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from pydantic import BaseModel

from tagstream.errors import Unavailable
from tagstream.telemetry.run import Stop, run_service


def test_a_signal_asks_the_service_to_stop() -> None:
    seen: list[bool] = []

    async def main(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        seen.append(stop.requested)

    assert run_service(main) == 0
    assert seen == [True]


def test_a_known_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    async def main(stop: Stop) -> None:
        raise Unavailable("Postgres is away\nat db:5432")

    assert run_service(main) == 1
    assert capsys.readouterr().err == "error: Postgres is away at db:5432\n"


def test_wrong_settings_are_listed_without_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    class Settings(BaseModel):
        port: int

    async def main(stop: Stop) -> None:
        Settings.model_validate({"port": "hunter2"})

    assert run_service(main) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: wrong settings: TAGSTREAM_PORT: ")
    assert "hunter2" not in err


def test_a_bug_keeps_its_traceback() -> None:
    async def main(stop: Stop) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_service(main)


async def test_sleeping_ends_early_when_stopped() -> None:
    stop = Stop()
    assert await stop.sleep(0) is False
    stop.request()
    assert await stop.sleep(60) is True


def test_the_second_signal_ends_the_process_at_once() -> None:
    code = (
        "import asyncio, os, signal, sys\n"
        "from tagstream.telemetry.run import run_service\n"
        "async def main(stop):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    await stop.wait()\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    await asyncio.sleep(30)\n"
        "sys.exit(run_service(main))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, timeout=20
    )
    assert done.returncode == 130
