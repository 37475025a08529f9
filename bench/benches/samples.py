"""A library of 60 streams with 6 tags each, from nothing: time and the samples-manager's own CPU.

The yardstick is the same objects posted one after another by a bare client. Nothing is imported:
the tags are references.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.figures import Figure
from bench.https import Connection
from bench.load import median
from bench.processes import measure_cpu_s
from bench.world import World, checked, streams_path

_STREAMS, _TAGS = 60, 6
_TARGET_CPU_S = 3.0
_TIMEOUT_S = 60.0
_CONFIG = "/apis/samples.operator.openshift.io/v1/configs/cluster"
_MERGE = "application/merge-patch+json"


async def run(world: World) -> list[Figure]:
    library = world.folder / "samples-library"
    _write_library(library)
    bare = await _post_each(world)
    rounds = [await _one_round(world, library) for _ in range(world.settings.rounds)]
    cpu_s, wall_s = (median([each[index] for each in rounds]) for index in (0, 1))
    return [
        Figure(
            f"samples, {_STREAMS} streams of {_TAGS} tags from nothing",
            f"{cpu_s:.2f} s CPU",
            target=f"< {_TARGET_CPU_S:.0f} s CPU",
            is_met=cpu_s < _TARGET_CPU_S,
            yardstick=f"one POST after another {bare:.2f} s",
            ratio=wall_s / bare,
            detail=f"installed after {wall_s:.2f} s, start of the process included in the CPU",
        )
    ]


def _stream(name: str) -> dict[str, Any]:
    tags = [
        {
            "name": str(number),
            "reference": True,
            "annotations": {"description": f"Version {number} of {name}.", "iconClass": "icon"},
            "from": {"kind": "DockerImage", "name": f"quay.io/samples/{name}:{number}"},
        }
        for number in range(_TAGS)
    ]
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name},
        "spec": {"tags": tags},
    }


def _write_library(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    names = [f"sample-{number}" for number in range(_STREAMS)]
    for name in names:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_stream(name)))
    files = [{"path": f"{name}.yaml", "kind": "ImageStream"} for name in names]
    manifest = {"name": "bench", "version": "1", "files": files}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))


async def _post_each(world: World) -> float:
    await world.make_namespace("bench-samples")
    connection = await Connection.open(world.server)
    try:
        began = time.perf_counter()
        for number in range(_STREAMS):
            body = _stream(f"sample-{number}")
            checked(await connection.request("POST", streams_path("bench-samples"), body))
        return time.perf_counter() - began
    finally:
        connection.close()


async def _one_round(world: World, library: Path) -> tuple[float, float]:
    """CPU and wall seconds from the order to SamplesExist, with a manager of our own.

    The stack's manager is stopped meanwhile: it holds the lease, and has another library.
    """
    await _configure(world, "Removed")
    with _paused_manager(world):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "tagstream.samples_manager"),
            env={**os.environ, **_environment(world, library)},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            # The lease of the one that is paused has to run out first.
            await asyncio.sleep(5)
            began = time.perf_counter()
            await _configure(world, "Managed")
            wall_s = time.perf_counter() - began
            cpu_s = sum(used for _, used in measure_cpu_s(process.pid).values())
            await _configure(world, "Removed")
        finally:
            process.terminate()
            await process.wait()
    return cpu_s, wall_s


def _environment(world: World, library: Path) -> dict[str, str]:
    return {
        "TAGSTREAM_POSTGRES_URL": world.stack.state["postgres_url"],
        "TAGSTREAM_KUBECONFIG": str(world.stack.directory.samples_kubeconfig),
        "TAGSTREAM_SAMPLES_LIBRARY": str(library),
        "TAGSTREAM_LOG_LEVEL": "warning",
    }


@contextmanager
def _paused_manager(world: World) -> Iterator[None]:
    found = [
        pid
        for pid, (name, _) in measure_cpu_s(world.stack.pid).items()
        if name == "samples-manager"
    ]
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


async def _configure(world: World, state: str) -> None:
    """Sets the management state and waits until it is reached."""
    patch = {"spec": {"managementState": state}}
    await world.call("PATCH", _CONFIG, patch, _MERGE)
    deadline = time.perf_counter() + _TIMEOUT_S
    while time.perf_counter() < deadline:
        status = (await world.call("GET", _CONFIG)).get("status", {})
        truths = {one["type"]: one["status"] for one in status.get("conditions", [])}
        exist = "True" if state == "Managed" else "False"
        settled = truths.get("SamplesExist") == exist and truths.get("RemovePending") == "False"
        if settled and status.get("managementState") == state:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"the samples were not {state} within {_TIMEOUT_S:.0f} s")
