"""The story: each step does one thing through the public API and checks the server's answers.

Owns what is true after each step. Raises `DemoFailed` at the first thing that is not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from tagstream.demo.failures import DemoFailed
from tagstream.demo.image import SmallImage, build_small_image
from tagstream.demo.narration import Narrator, Step, duration, short
from tagstream.demo.objects import (
    BUILD_TAG,
    DEPLOYMENTS,
    IMPORTS,
    NAMESPACE,
    PRODUCTION_TAG,
    STREAM,
    STREAM_TAGS,
    STREAMS,
    WORKLOAD,
    container_image,
    deployment_body,
    history_of,
    import_body,
    import_problem,
    imported_digest,
    tag_body,
    tagged_digest,
    tagged_pull_spec,
    text_at,
)
from tagstream.demo.push import push_image
from tagstream.demo.subscriber import Event, Subscriber
from tagstream.demo.workload import ImageWatch
from tagstream.kube.client import KubeClient

_REPOSITORY = "shop/app"
_EVENTS_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the story plays with; `registry` is a host and port."""

    kube: KubeClient
    registry: str
    images: ImageWatch
    subscriber: Subscriber
    narrator: Narrator

    @property
    def pull_spec(self) -> str:
        """What is pushed and imported."""
        return f"{self.registry}/{_REPOSITORY}:{BUILD_TAG}"

    def by_digest(self, digest: str) -> str:
        return f"{self.registry}/{_REPOSITORY}@{digest}"


async def tell(stage: Stage) -> str:
    """From the first push to the last event; the digest that the build tag names at the end."""
    first, second = build_small_image(1), build_small_image(2)
    await _push(stage, first, "Push a small image to a registry")
    await _import(stage, first.digest)
    await _tag_for_production(stage, first.digest)
    await _deploy(stage, first.digest)
    await _push(stage, second, "Push a newer build under the same tag")
    await _import_again(stage, first.digest, second.digest)
    await _promote(stage, second.digest)
    await _roll_back(stage, first.digest, second.digest)
    await _hear(stage, first.digest, second.digest)
    return second.digest


async def _push(stage: Stage, image: SmallImage, title: str) -> None:
    command = f"skopeo copy --dest-tls-verify=false oci:build docker://{stage.pull_spec}"
    with stage.narrator.step(title, command) as step:
        await push_image(stage.registry, _REPOSITORY, BUILD_TAG, image)
        step.say(f"{_REPOSITORY}:{BUILD_TAG} is {short(image.digest)}, {image.size_bytes} bytes")


async def _import(stage: Stage, digest: str) -> None:
    command = f"oc import-image {STREAM}:{BUILD_TAG} --from={stage.pull_spec} --confirm --insecure"
    with stage.narrator.step("Import it into an image stream", command) as step:
        answer = await stage.kube.create(IMPORTS, NAMESPACE, import_body(stage.pull_spec))
        _check_import(answer, digest)
        await _check_tag(stage, BUILD_TAG, digest)
        step.say(f"imagestream/{STREAM} made; {STREAM}:{BUILD_TAG} is {short(digest)}")


async def _tag_for_production(stage: Stage, digest: str) -> None:
    command = f"oc tag {STREAM}:{BUILD_TAG} {STREAM}:{PRODUCTION_TAG}"
    with stage.narrator.step("Tag it for production", command) as step:
        await _move_production(stage, digest)
        step.say(f"{STREAM}:{PRODUCTION_TAG} is {short(digest)}")


async def _deploy(stage: Stage, digest: str) -> None:
    command = (
        f"kubectl apply -f {WORKLOAD}.yaml; "
        f"oc set triggers deploy/{WORKLOAD} --from-image={STREAM}:{PRODUCTION_TAG} -c {WORKLOAD}"
    )
    with stage.narrator.step("Create a Deployment that follows the tag", command) as step:
        await stage.kube.create(DEPLOYMENTS, NAMESPACE, deployment_body())
        await _follow(stage, step, digest, time.monotonic(), "it was created")


async def _import_again(stage: Stage, first: str, second: str) -> None:
    command = f"oc import-image {STREAM}:{BUILD_TAG} --insecure"
    with stage.narrator.step("Import again; production stays where it is", command) as step:
        stream = await stage.kube.get(STREAMS, NAMESPACE, STREAM)
        body = import_body(stage.pull_spec, text_at(stream, "metadata", "resourceVersion"))
        _check_import(await stage.kube.create(IMPORTS, NAMESPACE, body), second)
        await _check_tag(stage, BUILD_TAG, second)
        await _check_tag(stage, PRODUCTION_TAG, first)
        await _check_workload(stage, first)
        step.say(
            f"{STREAM}:{BUILD_TAG} moved from {short(first)} to {short(second)}; "
            f"{STREAM}:{PRODUCTION_TAG} did not"
        )


async def _promote(stage: Stage, digest: str) -> None:
    command = f"oc tag {STREAM}:{BUILD_TAG} {STREAM}:{PRODUCTION_TAG}"
    with stage.narrator.step("Tag the newer build for production", command) as step:
        moved_at = await _move_production(stage, digest)
        await _follow(stage, step, digest, moved_at, "the tag moved")


async def _roll_back(stage: Stage, first: str, second: str) -> None:
    command = f"oc tag {STREAM}@{short(first)} {STREAM}:{PRODUCTION_TAG}"
    with stage.narrator.step("Roll back with one command", command) as step:
        moved_at = await _move_production(stage, first)
        await _follow(stage, step, first, moved_at, "the tag moved")
        stream = await stage.kube.get(STREAMS, NAMESPACE, STREAM)
        history = history_of(stream, PRODUCTION_TAG)
        if history != [first, second, first]:
            raise DemoFailed(f"the history of {STREAM}:{PRODUCTION_TAG} is {history}")
        step.say(f"history, newest first: {', '.join(short(digest) for digest in history)}")


async def _hear(stage: Stage, first: str, second: str) -> None:
    expected = {
        (STREAM, BUILD_TAG): [first, second],
        (STREAM, PRODUCTION_TAG): [first, second, first],
        (WORKLOAD, PRODUCTION_TAG): [stage.by_digest(d) for d in (first, second, first)],
    }
    command = "tagstream events --since 1m"
    with stage.narrator.step("What a subscriber outside has received over NATS", command) as step:
        heard = await stage.subscriber.wait_until(
            lambda events: _moves(events) == expected, _EVENTS_TIMEOUT_S
        )
        events = stage.subscriber.events
        for event in events:
            step.say(_event_line(event))
        if not heard:
            raise DemoFailed(f"the subscriber received {_moves(events)} and not {expected}")
        if len({event.id for event in events}) != len(events):
            raise DemoFailed("the subscriber received an event twice")


async def _move_production(stage: Stage, digest: str) -> float:
    """When the server had answered, in `time.monotonic`."""
    name = f"{STREAM}:{PRODUCTION_TAG}"
    body = tag_body(PRODUCTION_TAG, digest)
    await stage.kube.update(STREAM_TAGS, NAMESPACE, name, body)
    moved_at = time.monotonic()
    await _check_tag(stage, PRODUCTION_TAG, digest)
    return moved_at


async def _follow(stage: Stage, step: Step, digest: str, since: float, what: str) -> None:
    arrived_at = await stage.images.wait_for(stage.by_digest(digest))
    await _check_workload(stage, digest)
    took, image = duration(arrived_at - since), short(stage.by_digest(digest))
    step.say(f"Deployment patched {took} after {what}: {image}")


def _check_import(answer: dict[str, object], digest: str) -> None:
    found = imported_digest(answer)
    if found != digest:
        raise DemoFailed(f"the import brought {found or import_problem(answer)}, not {digest}")


async def _check_tag(stage: Stage, tag: str, digest: str) -> None:
    stream_tag = await stage.kube.get(STREAM_TAGS, NAMESPACE, f"{STREAM}:{tag}")
    found = tagged_digest(stream_tag), tagged_pull_spec(stream_tag)
    if found != (digest, stage.by_digest(digest)):
        raise DemoFailed(f"{STREAM}:{tag} is {' at '.join(found)}, not {stage.by_digest(digest)}")


async def _check_workload(stage: Stage, digest: str) -> None:
    deployment = await stage.kube.get(DEPLOYMENTS, NAMESPACE, WORKLOAD)
    image = container_image(deployment)
    if image != stage.by_digest(digest):
        raise DemoFailed(f"deployment/{WORKLOAD} has {image}, not {stage.by_digest(digest)}")


def _moves(events: list[Event]) -> dict[tuple[str, str], list[str]]:
    """Where each tag went, and where the trigger took the workload, in order."""
    moves: dict[tuple[str, str], list[str]] = {}
    for event in events:
        if event.kind == "tag.changed":
            key, to = (event.text("stream"), event.text("tag")), event.text("newImage")
        elif event.kind == "trigger.fired":
            key = (event.text("workloadName"), event.text("tag"))
            to = event.text("newPullSpec")
        else:
            continue
        moves.setdefault(key, []).append(to)
    return moves


def _event_line(event: Event) -> str:
    about = f"{event.text('stream')}:{event.text('tag')}".removesuffix(":")
    line = f"{event.text('position'):>4}  {event.kind:<16} {about:<9}"
    if event.kind == "tag.changed":
        old = short(event.text("oldImage")) or "(none)"
        return f"{line} {old} -> {short(event.text('newImage'))}"
    if event.kind.startswith("trigger."):
        new = event.text("newPullSpec").rpartition("@")[2]
        return f"{line} {event.text('kind').lower()}/{event.text('workloadName')} -> {short(new)}"
    return line.rstrip()
