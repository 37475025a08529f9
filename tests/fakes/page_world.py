"""Something to look at on the web page: two namespaces, streams, moves, failures, a follower.

Made through the API of a running stack, as its users would. Each caller gets namespaces of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from tagstream.embedded.certificates import Pki

IMAGE = "image.openshift.io/v1"
_RBAC = "rbac.authorization.k8s.io"
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Admin:
    """The administrator, by client certificate."""

    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer; raises AssertionError for one that is no success."""
        reply = await self.session.request(method, path, json=body)
        text = await reply.text()
        assert reply.status < 300, f"{method} {path}: {reply.status} {text}"
        return json.loads(text)

    async def make_namespace(self, name: str) -> None:
        await self.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    async def make_account(self, namespace: str, name: str, role: str, *, everywhere: bool) -> str:
        """A service account with a role, in its namespace or all; its token."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        await self.send("POST", accounts, {"metadata": {"name": name}})
        place = "" if everywhere else f"/namespaces/{namespace}"
        kind = "ClusterRoleBinding" if everywhere else "RoleBinding"
        binding = {
            "metadata": {"name": f"{namespace}-{name}"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        await self.send("POST", f"/apis/{_RBAC}/v1{place}/{kind.lower()}s", binding)
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = await self.send("POST", f"{accounts}/{name}/token", asked)
        return str(made["status"]["token"])

    async def import_tags(self, namespace: str, stream: str, sources: dict[str, str]) -> None:
        """Imports pull specs by tag, whether they can be had or not."""
        images = [
            {
                "from": {"kind": "DockerImage", "name": source},
                "to": {"name": tag},
                "importPolicy": {"insecure": True, "scheduled": tag == "nightly"},
            }
            for tag, source in sources.items()
        ]
        body = {
            "apiVersion": IMAGE,
            "kind": "ImageStreamImport",
            "metadata": {"name": stream},
            "spec": {"import": True, "images": images},
        }
        await self.send("POST", f"/apis/{IMAGE}/namespaces/{namespace}/imagestreamimports", body)

    async def set_tag(self, namespace: str, stream: str, tag: str, kind: str, name: str) -> None:
        """What `oc tag` sends."""
        body = {
            "apiVersion": IMAGE,
            "kind": "ImageStreamTag",
            "metadata": {"name": f"{stream}:{tag}", "namespace": namespace},
            "tag": {"name": tag, "from": {"kind": kind, "name": name}},
        }
        path = f"/apis/{IMAGE}/namespaces/{namespace}/imagestreamtags/{stream}:{tag}"
        await self.send("PUT", path, body)

    async def follow(self, namespace: str, workload: str, tag: str, image: str) -> None:
        """A Deployment whose container follows a tag of the namespace."""
        trigger = {
            "from": {"kind": "ImageStreamTag", "name": tag},
            "fieldPath": 'spec.template.spec.containers[?(@.name=="web")].image',
        }
        labels = {"app": workload}
        pod = {"containers": [{"name": "web", "image": image}]}
        body = {
            "metadata": {
                "name": workload,
                "annotations": {"image.openshift.io/triggers": json.dumps([trigger])},
            },
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
        await self.send("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)

    async def image_of(self, namespace: str, workload: str) -> str:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{workload}"
        found = await self.send("GET", path)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


@dataclass(frozen=True, slots=True)
class PageWorld:
    """`viewer` may read everything, `developer` only `shop`; `first` and `second` are digests."""

    admin: Admin
    url: str
    shop: str
    other: str
    viewer: str
    developer: str
    first: str
    second: str


def open_admin(stack: Stack) -> aiohttp.ClientSession:
    """A session of the administrator's, to be closed by the caller."""
    pki = Pki(stack.data_dir / "pki")
    tls = ssl.create_default_context(cafile=str(pki.ca_certificate))
    tls.load_cert_chain(pki.admin_certificate, pki.admin_key)
    return aiohttp.ClientSession(
        stack.url,
        connector=aiohttp.TCPConnector(ssl=tls),
        headers={"Accept": "application/json", "User-Agent": "oc/4.17"},
    )


async def make_page_world(
    session: aiohttp.ClientSession, url: str, registry: FakeRegistry
) -> PageWorld:
    """The whole scene; returns when the followers have their images."""
    admin, suffix = Admin(session), secrets.token_hex(3)
    shop, other = f"shop-{suffix}", f"other-{suffix}"
    first = registry.add_image(f"{shop}/app", "1")
    second = registry.add_image(f"{shop}/app", "2")
    for namespace in (shop, other):
        await admin.make_namespace(namespace)
    source = f"{registry.host}/{shop}/app"
    await admin.import_tags(shop, "app", {"1": f"{source}:1", "2": f"{source}:2"})
    await admin.import_tags(shop, "app", {"nightly": f"{source}:2", "broken": f"{source}:gone"})
    await admin.import_tags(other, "secret-app", {"1": f"{source}:1"})
    await admin.follow(shop, "web", "app:prod", "placeholder:1")
    await admin.follow(shop, "canary-web", "app:canary", "placeholder:1")
    for digest in (first, second, first):
        await admin.set_tag(shop, "app", "prod", "ImageStreamImage", f"app@{digest}")
    await admin.set_tag(shop, "app", "canary", "ImageStreamImage", f"app@{first}")
    await admin.set_tag(shop, "app", "latest", "ImageStreamTag", "app:2")

    async def have_images() -> bool:
        images = [await admin.image_of(shop, name) for name in ("web", "canary-web")]
        return all(image.endswith(first) for image in images)

    await wait_until(have_images)
    viewer = await admin.make_account(shop, "viewer", "cluster-reader", everywhere=True)
    developer = await admin.make_account(shop, "developer", "view", everywhere=False)
    return PageWorld(admin, url, shop, other, viewer, developer, first, second)


async def wait_until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Polls. Raises TimeoutError."""
    async with asyncio.timeout(_TIMEOUT_S):
        while not await holds():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.1)
