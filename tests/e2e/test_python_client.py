"""The official Python client against a running stack: typed lists, watches, custom objects."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch

from fakes.stack import Stack

pytestmark = pytest.mark.xdist_group("stack")

_GROUP = ("image.openshift.io", "v1")


@pytest.fixture(scope="module")
def connection(stack: Stack) -> Iterator[Any]:
    """The library's own client."""
    load: Any = config.new_client_from_config  # it has no types
    opened = load(str(stack.kubeconfig))
    yield opened
    opened.close()


@pytest.fixture
def namespace(connection: Any) -> Iterator[str]:
    """A namespace of this test alone."""
    core: Any = client.CoreV1Api(connection)
    name = f"python-{secrets.token_hex(4)}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"containers": [{"name": name, "image": "placeholder:1"}]}
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def test_a_watch_continues_from_a_list(connection: Any, namespace: str) -> None:
    apps: Any = client.AppsV1Api(connection)
    apps.create_namespaced_deployment(namespace, _deployment("first"))
    listed = apps.list_namespaced_deployment(namespace)
    assert [item.metadata.name for item in listed.items] == ["first"]
    apps.create_namespaced_deployment(namespace, _deployment("second"))
    watcher: Any = watch.Watch  # its methods have no types
    stream = watcher().stream(
        apps.list_namespaced_deployment,
        namespace,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=5,
    )
    event = next(iter(stream))
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "second")


def test_a_stream_is_created_and_read_as_a_custom_object(connection: Any, namespace: str) -> None:
    objects: Any = client.CustomObjectsApi(connection)
    body = {
        "apiVersion": "/".join(_GROUP),
        "kind": "ImageStream",
        "metadata": {"name": "app"},
        "spec": {"lookupPolicy": {"local": True}},
    }
    objects.create_namespaced_custom_object(*_GROUP, namespace, "imagestreams", body)
    found = objects.get_namespaced_custom_object(*_GROUP, namespace, "imagestreams", "app")
    assert found["spec"] == {"lookupPolicy": {"local": True}}


def test_a_refusal_is_an_exception_with_the_status(connection: Any, namespace: str) -> None:
    apps: Any = client.AppsV1Api(connection)
    with pytest.raises(client.ApiException) as refused:
        apps.read_namespaced_deployment("missing", namespace)
    assert refused.value.status == 404
    assert json.loads(refused.value.body or "")["reason"] == "NotFound"
