"""The rest of the story, told with the commands of `tagstream` itself: samples, the history of a
tag, what the pruner would do, a recording that replays, and the page.

Owns what must be true of what the commands say. Raises `DemoFailed` at the first thing that is not.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tagstream.demo.failures import DemoFailed
from tagstream.demo.narration import Narrator, short
from tagstream.demo.objects import (
    BUILD_TAG,
    NAMESPACE,
    PRODUCTION_TAG,
    SAMPLES_CONFIG,
    SAMPLES_NAMESPACE,
    STREAM,
    STREAMS,
    TEMPLATES,
)
from tagstream.demo.stack import own_environment
from tagstream.kube.client import KubeClient
from tagstream.kube.config import ClusterConfig
from tagstream.kube.tls import build_ssl_context

_COMMAND_TIMEOUT_S = 30.0
_SAMPLES_TIMEOUT_S = 30.0
_POLL_S = 0.1
_FEWEST_STREAMS, _FEWEST_TEMPLATES = 12, 6
_PAGE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What is left to look at. `kept` is an image that a tag still names."""

    kube: KubeClient
    cluster: ClusterConfig
    directory: Path
    kept: str
    narrator: Narrator


async def tell_the_rest(scene: Scene) -> None:
    """From the samples to the page."""
    await _install_samples(scene)
    await _ask_for_history(scene)
    await _explain_kept_image(scene)
    await _replay(scene)
    await _open_page(scene)


async def _install_samples(scene: Scene) -> None:
    command = (
        "kubectl patch configs.samples.operator.openshift.io cluster --type merge "
        """-p '{"spec":{"managementState":"Managed"}}'"""
    )
    with scene.narrator.step("Have the sample streams and templates installed", command) as step:
        patch: dict[str, object] = {"spec": {"managementState": "Managed"}}
        await scene.kube.patch(SAMPLES_CONFIG, None, "cluster", patch)
        streams, templates = await _wait_for_samples(scene.kube)
        step.say(
            f"{streams} image streams and {templates} templates in the namespace "
            f"{SAMPLES_NAMESPACE}; their images are imported from public registries, if there "
            "is a way to them"
        )


async def _wait_for_samples(kube: KubeClient) -> tuple[int, int]:
    try:
        async with asyncio.timeout(_SAMPLES_TIMEOUT_S):
            while True:
                streams = len((await kube.list(STREAMS, SAMPLES_NAMESPACE)).items)
                templates = len((await kube.list(TEMPLATES, SAMPLES_NAMESPACE)).items)
                if streams >= _FEWEST_STREAMS and templates >= _FEWEST_TEMPLATES:
                    return streams, templates
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise DemoFailed(f"the samples are not there after {_SAMPLES_TIMEOUT_S:.0f} s") from error


async def _ask_for_history(scene: Scene) -> None:
    tag = f"{NAMESPACE}/{STREAM}:{PRODUCTION_TAG}"
    with scene.narrator.step("Who moved the tag?", f"tagstream history {tag}") as step:
        said = await _tagstream(scene, "history", tag)
        lines = [line for line in said.splitlines() if "->" in line]
        if len(lines) != 3:
            raise DemoFailed(f"the history tells {len(lines)} moves and not 3")
        for line in lines:
            step.say(line.rstrip())


async def _explain_kept_image(scene: Scene) -> None:
    command = f"tagstream prune --why {short(scene.kept)}"
    with scene.narrator.step("What keeps an image from being pruned?", command) as step:
        said = (await _tagstream(scene, "prune", "--why", scene.kept)).splitlines()
        if f"{NAMESPACE}/{STREAM}:{BUILD_TAG} (the current image)" not in "\n".join(said):
            raise DemoFailed(f"the pruner does not say what keeps {scene.kept}: {said}")
        for line in said[1:]:
            step.say(line.strip())


async def _replay(scene: Scene) -> None:
    command = "tagstream record -o demo.rec; tagstream replay demo.rec --verify"
    with scene.narrator.step("Record all of this, and replay it byte for byte", command) as step:
        file = scene.directory / "demo.rec"
        recorded = await _tagstream(scene, "record", "-o", str(file))
        step.say(recorded.strip().replace(str(file), file.name))
        verdict = (await _tagstream(None, "replay", str(file), "--verify")).strip()
        if not verdict.startswith("equal: "):
            raise DemoFailed(f"the recording does not replay: {verdict}")
        step.say(verdict)


async def _open_page(scene: Scene) -> None:
    with scene.narrator.step("Look at it in a browser", "tagstream page") as step:
        address, token = (await _tagstream(scene, "page")).split()
        page = await _fetch_page(scene.cluster, address, token)
        if f"/ui/streams/{NAMESPACE}/{STREAM}" not in page:
            raise DemoFailed(f"the page at {address} does not show {NAMESPACE}/{STREAM}")
        step.say(f"{address}, and a token to sign in with")


async def _fetch_page(cluster: ClusterConfig, address: str, token: str) -> str:
    """As a browser gets it: no certificate of its own, only the token."""
    stranger = ClusterConfig(cluster.server, cluster.ca_pem)
    headers = {"Accept": "text/html", "Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=_PAGE_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
        session.get(address, ssl=build_ssl_context(stranger)) as answer,
    ):
        return await answer.text()


async def _tagstream(scene: Scene | None, *arguments: str) -> str:
    """What a command prints. Raises `DemoFailed` with its complaint when it fails."""
    where = () if scene is None else ("--data-dir", str(scene.directory))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tagstream.cli", *arguments, *where),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=own_environment(),
    )
    try:
        async with asyncio.timeout(_COMMAND_TIMEOUT_S):
            output, complaint = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        said = (complaint or output).decode(errors="replace").strip()
        raise DemoFailed(f"`tagstream {' '.join(arguments)}` failed: {said}")
    return output.decode()
