"""A tag that follows a registry on schedule, and the Deployment that follows the tag."""

from __future__ import annotations

from typing import Any

from fakes.stack_faults import Client
from fakes.tag_movers import World, build_deployment

_STREAM, _TAG = "green", "scheduled"


class ScheduledTag:
    """In the namespace and the registry of a `World`; the stack's interval decides how often."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._name = f"{world.namespace}-scheduled"
        self._builds = 0
        self.newest = ""

    async def prepare(self, client: Client) -> None:
        """The stream, its tag, and a Deployment."""
        world = self._world
        await client.sure("POST", world.path("imagestreams"), world.stream(_STREAM))
        self.build()
        body: dict[str, Any] = {
            "kind": "ImageStreamTag",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": f"{_STREAM}:{_TAG}", "namespace": world.namespace},
            "tag": {
                "name": _TAG,
                "from": {
                    "kind": "DockerImage",
                    "name": f"{world.registry.host}/{self._name}:latest",
                },
                "importPolicy": {"insecure": True, "scheduled": True},
            },
        }
        await client.sure("PUT", world.path(f"imagestreamtags/{_STREAM}:{_TAG}"), body)
        body = build_deployment(f"{_STREAM}-{_TAG}", f"{_STREAM}:{_TAG}")
        await client.sure("POST", self._deployments, body)

    def build(self) -> None:
        """Something new is in the registry, and nobody is told."""
        self._builds += 1
        seed = f"{self._name} {self._builds}"
        self.newest = self._world.registry.add_image(self._name, "latest", seed=seed)

    async def unsettled(self, client: Client) -> str:
        """What does not yet follow from the newest build."""
        path = f"{self._deployments}/{_STREAM}-{_TAG}"
        workload = (await client.sure("GET", path)).body
        image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
        return "" if image.endswith(self.newest) else f"{_STREAM}-{_TAG} has {image}"

    @property
    def _deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self._world.namespace}/deployments"
