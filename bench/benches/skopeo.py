"""Importing one tag beside `skopeo inspect` of the same tag: what a person waits for."""

from __future__ import annotations

import asyncio
import shutil
import time

from bench.figures import Figure
from bench.https import Connection
from bench.load import median
from bench.registry import build_image, push_images
from bench.world import World, checked, import_body, imports_path, require_imported

_TIMES = 20


async def run(world: World) -> list[Figure]:
    namespace, repository = "bench-skopeo", "bench/skopeo"
    tags = [f"v{n}" for n in range(_TIMES)]
    images = {tag: build_image(f"{repository}:{tag}") for tag in tags}
    await push_images(world.registry, repository, images)
    await world.make_namespace(namespace)
    source = f"{world.registry}/{repository}"
    connection = await Connection.open(world.server)
    imports_s = []
    for tag in tags:
        body = import_body(namespace, "app", {tag: f"{source}:{tag}"})
        began = time.perf_counter()
        response = await connection.request("POST", imports_path(namespace), body)
        imports_s.append(time.perf_counter() - began)
        require_imported(checked(response).json())
    connection.close()
    figure = Figure("import one tag", f"p50 {median(imports_s) * 1000:.1f} ms")
    if shutil.which("skopeo") is None:
        return [Figure(figure.name, figure.measured, detail="skopeo is not installed")]
    inspects_s = [await _inspect(f"docker://{source}:{tag}") for tag in tags]
    return [
        Figure(
            figure.name,
            figure.measured,
            yardstick=f"skopeo inspect p50 {median(inspects_s) * 1000:.1f} ms",
            ratio=median(inspects_s) / median(imports_s),
            detail="ratio: how many times faster than skopeo, which starts a process each time",
        )
    ]


async def _inspect(reference: str) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *("skopeo", "inspect", "--tls-verify=false", reference),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise RuntimeError(f"skopeo inspect {reference} failed")
    return time.perf_counter() - began
