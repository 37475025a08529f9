"""What every bench is given: a running stack, a registry, and the few API calls all need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.https import Connection, Response, Server
from bench.registry import Image
from bench.stack import Stack

IMAGE_API = "/apis/image.openshift.io/v1"
_IMPORT_MODE = "Legacy"


@dataclass(frozen=True, slots=True)
class Settings:
    """How long to measure: `rounds` times, each figure's median is reported."""

    rounds: int
    seconds: float
    soak_s: float
    history_moves: int


@dataclass(slots=True)
class World:
    stack: Stack
    server: Server
    registry: str
    folder: Path
    settings: Settings

    async def call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Any:
        """One request on its own connection; the decoded answer. Raises RuntimeError."""
        connection = await Connection.open(self.server)
        try:
            return checked(await connection.request(method, path, body, content_type)).json()
        finally:
            connection.close()

    async def make_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self.call("POST", "/api/v1/namespaces", body)

    async def import_tags(self, namespace: str, stream: str, sources: dict[str, str]) -> None:
        """Imports pull specs by tag; every one must come."""
        body = import_body(namespace, stream, sources)
        answer = await self.call("POST", imports_path(namespace), body)
        require_imported(answer)

    def pull_spec(self, repository: str, image: Image) -> str:
        return f"{self.registry}/{repository}@{image.digest}"

    async def make_token(self) -> str:
        """A bearer token of a service account that may do all."""
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "bench", "namespace": "default"},
        }
        await self.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        group = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "bench", "namespace": "default"}],
        }
        await self.call("POST", f"/apis/{group}/v1/clusterrolebindings", binding)
        path = "/api/v1/namespaces/default/serviceaccounts/bench/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str((await self.call("POST", path, request))["status"]["token"])


def checked(response: Response) -> Response:
    """Raises RuntimeError for an answer that is no success."""
    if response.status >= 300:
        raise RuntimeError(f"{response.status}: {response.body[:600].decode(errors='replace')}")
    return response


def imports_path(namespace: str) -> str:
    return f"{IMAGE_API}/namespaces/{namespace}/imagestreamimports"


def tag_path(namespace: str, stream: str, tag: str) -> str:
    return f"{IMAGE_API}/namespaces/{namespace}/imagestreamtags/{stream}:{tag}"


def streams_path(namespace: str) -> str:
    return f"{IMAGE_API}/namespaces/{namespace}/imagestreams"


def import_body(namespace: str, stream: str, sources: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": stream, "namespace": namespace},
        "spec": {
            "import": True,
            "images": [
                {
                    "from": {"kind": "DockerImage", "name": source},
                    "to": {"name": tag},
                    "importPolicy": {"insecure": True, "importMode": _IMPORT_MODE},
                    "referencePolicy": {"type": "Source"},
                }
                for tag, source in sources.items()
            ],
        },
    }


def require_imported(answer: dict[str, Any]) -> None:
    """Raises RuntimeError unless every image of an import came."""
    bad = [i["status"] for i in answer["status"]["images"] if i["status"]["status"] != "Success"]
    if bad:
        raise RuntimeError(f"{len(bad)} images were not imported: {bad[0]}")


def move_body(namespace: str, stream: str, tag: str, digest: str) -> dict[str, object]:
    """What `oc tag STREAM@DIGEST STREAM:TAG` sends."""
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamTag",
        "metadata": {"name": f"{stream}:{tag}", "namespace": namespace},
        "tag": {
            "name": tag,
            "from": {"kind": "ImageStreamImage", "name": f"{stream}@{digest}"},
            "importPolicy": {"importMode": _IMPORT_MODE},
            "referencePolicy": {"type": "Source"},
        },
    }


async def move_tag(
    connection: Connection, namespace: str, stream: str, tag: str, digest: str
) -> Response:
    body = move_body(namespace, stream, tag, digest)
    return await connection.request("PUT", tag_path(namespace, stream, tag), body)


@dataclass(frozen=True, slots=True)
class TwoImages:
    """A stream's two images, to move tags between."""

    digests: Sequence[str]

    def nth(self, n: int) -> str:
        return self.digests[n % 2]
