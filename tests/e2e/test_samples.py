"""The samples-manager of a running stack: installs, reverts, skips, removes, refuses, retries.

One stack of its own with a small library, whose images one registry has and another has not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

import pytest

from fakes.samples_stack import STREAM, Samples, run_samples, until
from tagstream.embedded.state import load_state
from tagstream.errors import Conflict, InvalidInput, NotFound, Upstream
from tagstream.kube.client import KubeClient
from tagstream.kube.resources import ResourceType
from tagstream.samples_manager.cluster import (
    CONFIG_MAPS,
    CONFIGS,
    IMAGE_CONFIGS,
    STREAMS,
    TEMPLATES,
)
from tagstream.samples_manager.cluster_operator import OPERATOR_NAME
from tagstream.samples_manager.objects import (
    MANAGED,
    OWN_NAMESPACE,
    RETRIED_AT,
    TAG_MAP,
    VERSION,
    mappings,
)
from tagstream.samples_manager.reporting import OPERATORS

pytestmark = pytest.mark.xdist_group("samples")

_PROCESSED = ResourceType("template.openshift.io/v1", "Template", "processedtemplates")
_NAMESPACES = ResourceType("v1", "Namespace", "namespaces", namespaced=False)
_NAMESPACE = "openshift"


@pytest.fixture(scope="module")
def samples() -> Iterator[Samples]:
    with run_samples() as running:
        yield running


@pytest.fixture
async def kube(samples: Samples) -> AsyncIterator[KubeClient]:
    """The administrator, with everything installed and the library as it was at first."""
    async with KubeClient(samples.stack.cluster) as client:
        await until(lambda: holds(client, "SamplesExist"), samples.stack)
        yield client


async def condition_of(kube: KubeClient, kind: str) -> dict[str, Any]:
    config: Any = await kube.get(CONFIGS, None, "cluster")
    conditions = mappings(config.get("status", {}).get("conditions"))
    return next((one for one in conditions if one["type"] == kind), {})


async def holds(kube: KubeClient, kind: str, status: str = "True") -> bool:
    return bool((await condition_of(kube, kind)).get("status") == status)


async def operator_says(kube: KubeClient, kind: str, reason: str) -> bool:
    told: Any = await kube.get(OPERATORS, None, OPERATOR_NAME)
    found = {one["type"]: one for one in told.get("status", {}).get("conditions", [])}
    return kind in found and found[kind].get("reason", "") == reason


def measured(samples: Samples) -> dict[str, float]:
    state = load_state(samples.stack.data_dir / "state.json")
    assert state is not None
    port = state.health_ports["samples-manager-0"]
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("openshift_samples")]
    return {name: float(value) for name, _, value in found}


async def stream(kube: KubeClient, name: str = "ruby") -> Any:
    return await kube.get(STREAMS, _NAMESPACE, name)


async def configure(kube: KubeClient, **spec: object) -> None:
    await kube.patch(CONFIGS, None, "cluster", {"spec": spec})


async def is_gone(kube: KubeClient, resource: ResourceType, namespace: str, name: str) -> bool:
    try:
        await kube.get(resource, namespace, name)
    except NotFound:
        return True
    return False


async def change(kube: KubeClient, edit: Callable[[Any], None]) -> None:
    """Read, change and write; again if an import came in between."""
    while True:
        body = await stream(kube)
        edit(body)
        with suppress(Conflict):
            await kube.update(STREAMS, _NAMESPACE, "ruby", body)
            return


async def test_samples_carry_our_mark_and_are_imported(samples: Samples, kube: KubeClient) -> None:
    found = await stream(kube)
    assert found["metadata"]["labels"] == {"of": "library", MANAGED: "true"}
    assert found["metadata"]["annotations"][VERSION] == "1"
    template: Any = await kube.get(TEMPLATES, _NAMESPACE, "shop")
    assert template["metadata"]["labels"][MANAGED] == "true"

    async def imported() -> bool:
        tags = mappings((await stream(kube)).get("status", {}).get("tags"))
        return {one["tag"] for one in tags if one.get("items")} == {"1", "latest"}

    await until(imported, samples.stack)
    images: Any = await kube.get(CONFIG_MAPS, OWN_NAMESPACE, TAG_MAP)
    assert images["data"]["ruby_1"] == f"{samples.registry.host}/samples/ruby:1"


async def test_a_failed_import_is_told_and_recovers(samples: Samples, kube: KubeClient) -> None:
    await until(lambda: holds(kube, "ImportImageErrorsExist"), samples.stack)
    assert (await condition_of(kube, "ImportImageErrorsExist"))["reason"] == "php"
    told: Any = await kube.get(CONFIG_MAPS, OWN_NAMESPACE, "php")
    assert set(told["data"]) == {"1"}
    await until(lambda: operator_says(kube, "Progressing", "FailedImageImports"), samples.stack)
    assert await operator_says(kube, "Degraded", "")
    counted = measured(samples)
    assert counted['openshift_samples_failed_imagestream_import_info{name="php"}'] == 1
    assert counted['openshift_samples_failed_imagestream_import_info{name="ruby"}'] == 0
    retries = 'openshift_samples_retry_imagestream_import_total{imagestreamname="php"}'
    assert counted[retries] >= 1
    samples.registry.add_image("samples/php", "1")
    # Ten minutes ago, so that the next look retries.
    marks = {"annotations": {RETRIED_AT: "2020-01-01T00:00:00Z"}}
    await kube.patch(CONFIG_MAPS, OWN_NAMESPACE, "php", {"metadata": marks})
    await until(lambda: holds(kube, "ImportImageErrorsExist", "False"), samples.stack)
    await until(lambda: is_gone(kube, CONFIG_MAPS, OWN_NAMESPACE, "php"), samples.stack)


async def test_an_edit_without_the_annotation_is_reverted_and_tags_stay(
    samples: Samples, kube: KubeClient
) -> None:
    def edit(body: Any) -> None:
        body["metadata"]["annotations"].pop(VERSION)
        body["metadata"]["labels"]["mine"] = "yes"
        tags = body["spec"]["tags"]
        tags[0]["from"]["name"] = f"{samples.registry.host}/samples/other:1"
        tags.append({"name": "mine", "from": {"kind": "ImageStreamTag", "name": "1"}})

    await change(kube, edit)

    async def reverted() -> bool:
        return VERSION in (await stream(kube))["metadata"].get("annotations", {})

    await until(reverted, samples.stack)
    after = await stream(kube)
    sources = {tag["name"]: tag["from"]["name"] for tag in after["spec"]["tags"]}
    assert sources["1"] == f"{samples.registry.host}/samples/ruby:1"
    assert "mine" in sources
    assert "mine" not in after["metadata"]["labels"]


async def test_a_deleted_sample_comes_back(samples: Samples, kube: KubeClient) -> None:
    before = (await stream(kube))["metadata"]["uid"]
    await kube.delete(STREAMS, _NAMESPACE, "ruby")

    async def is_back() -> bool:
        return bool((await stream(kube))["metadata"]["uid"] != before)

    await until(is_back, samples.stack)


async def test_a_skipped_stream_is_left_alone_until_it_is_wanted_again(
    samples: Samples, kube: KubeClient
) -> None:
    async def marked(value: str) -> bool:
        return bool((await stream(kube))["metadata"]["labels"][MANAGED] == value)

    await configure(kube, skippedImagestreams=["ruby"])
    await until(lambda: marked("false"), samples.stack)
    await kube.delete(STREAMS, _NAMESPACE, "ruby")
    await kube.delete(STREAMS, _NAMESPACE, "php")
    await until(lambda: _there(kube, "php"), samples.stack)
    assert await is_gone(kube, STREAMS, _NAMESPACE, "ruby")
    await configure(kube, skippedImagestreams=[])
    await until(lambda: marked("true"), samples.stack)


async def _there(kube: KubeClient, name: str) -> bool:
    return bool(await stream(kube, name))


async def test_a_broken_library_changes_nothing_and_is_told(
    samples: Samples, kube: KubeClient
) -> None:
    before = await stream(kube)
    samples.write("ruby", "kind: [")
    await until(lambda: holds(kube, "SamplesExist", "Unknown"), samples.stack)
    told = await condition_of(kube, "SamplesExist")
    assert told["reason"] == "FileSystemError"
    assert "ruby.yaml: bad YAML" in told["message"]
    assert (await stream(kube))["metadata"]["uid"] == before["metadata"]["uid"]
    await until(lambda: operator_says(kube, "Degraded", "FileSystemError"), samples.stack)
    samples.write("ruby", STREAM.format(name="ruby", registry=samples.registry.host))
    await until(lambda: holds(kube, "SamplesExist"), samples.stack)


async def test_a_new_version_marks_every_sample(samples: Samples, kube: KubeClient) -> None:
    samples.release("2")

    async def is_new() -> bool:
        return bool((await stream(kube))["metadata"]["annotations"][VERSION] == "2")

    await until(is_new, samples.stack)
    config: Any = await kube.get(CONFIGS, None, "cluster")
    assert config["spec"]["managementState"] == "Managed"


async def test_a_registry_that_the_cluster_forbids_rewrites_nothing(
    samples: Samples, kube: KubeClient
) -> None:
    before = await stream(kube)
    spec = {"registrySources": {"blockedRegistries": ["evil.test"]}}
    rules = {"kind": "Image", "metadata": {"name": "cluster"}, "spec": spec}
    await kube.create(IMAGE_CONFIGS, None, {**rules, "apiVersion": IMAGE_CONFIGS.api_version})
    await configure(kube, samplesRegistry="evil.test")
    await until(lambda: holds(kube, "ConfigurationValid", "False"), samples.stack)
    assert (await condition_of(kube, "ConfigurationValid"))["message"].endswith("evil.test")
    await until(lambda: operator_says(kube, "Degraded", "InvalidConfiguration"), samples.stack)
    after = await stream(kube)
    # Its imports may go on meanwhile.
    assert [tag["from"] for tag in after["spec"]["tags"]] == [
        tag["from"] for tag in before["spec"]["tags"]
    ]
    marks = "uid", "labels"
    assert [after["metadata"][one] for one in marks] == [before["metadata"][one] for one in marks]
    assert after["metadata"]["annotations"][VERSION] == before["metadata"]["annotations"][VERSION]
    await configure(kube, samplesRegistry="")
    await until(lambda: holds(kube, "ConfigurationValid"), samples.stack)
    await kube.delete(IMAGE_CONFIGS, None, "cluster")


async def test_unmanaged_touches_nothing(samples: Samples, kube: KubeClient) -> None:
    await configure(kube, managementState="Unmanaged")
    await until(lambda: operator_says(kube, "Available", "CurrentlyUnmanaged"), samples.stack)
    await kube.delete(STREAMS, _NAMESPACE, "ruby")
    await asyncio.sleep(2)
    assert await is_gone(kube, STREAMS, _NAMESPACE, "ruby")
    assert not any("{" in name and "failed" in name for name in measured(samples))
    await configure(kube, managementState="Managed")
    await until(lambda: _there(kube, "ruby"), samples.stack)


async def test_an_unknown_management_state_is_refused(kube: KubeClient) -> None:
    with pytest.raises(InvalidInput, match="should match"):
        await configure(kube, managementState="Sometimes")
    other = {"kind": "Config", "metadata": {"name": "other"}, "spec": {}}
    with pytest.raises(InvalidInput, match="only 1 samples custom resource supported"):
        await kube.create(CONFIGS, None, other)


async def test_a_template_is_processed_on_request(kube: KubeClient) -> None:
    template: Any = await kube.get(TEMPLATES, _NAMESPACE, "shop")
    template["metadata"] = {"name": "shop"}
    made: Any = await kube.create(_PROCESSED, "default", template)
    secret = made["objects"][0]
    assert secret["metadata"] == {"name": "shop"}
    assert secret["stringData"]["count"] == 3
    assert len(secret["stringData"]["password"]) == 8
    old_spelling = replace(_PROCESSED, plural="processedTemplates")
    again: Any = await kube.create(old_spelling, "default", template)
    assert again["objects"][0]["stringData"] != secret["stringData"]
    template["parameters"].append({"name": "DB", "required": True})
    with pytest.raises(InvalidInput, match="parameter DB is required and must be specified"):
        await kube.create(_PROCESSED, "default", template)


async def test_a_template_is_not_replaced_unseen(kube: KubeClient) -> None:
    template: Any = await kube.get(TEMPLATES, _NAMESPACE, "shop")
    del template["metadata"]["resourceVersion"]
    with pytest.raises(InvalidInput, match="must be specified for an update"):
        await kube.update(TEMPLATES, _NAMESPACE, "shop", template)
    template["metadata"]["name"] = "never-made"
    with pytest.raises(NotFound):
        await kube.update(TEMPLATES, _NAMESPACE, "never-made", template)


async def test_a_template_with_a_wrong_parameter_is_refused(kube: KubeClient) -> None:
    body = {
        "apiVersion": "template.openshift.io/v1",
        "kind": "Template",
        "metadata": {"name": "wrong"},
        "objects": [],
        "parameters": [{"name": "A-B"}],
    }
    with pytest.raises(InvalidInput, match=r"parameters\[0\].name"):
        await kube.create(TEMPLATES, "default", body)


async def test_removed_takes_ours_and_leaves_the_rest(samples: Samples, kube: KubeClient) -> None:
    mine = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": "myapp"},
    }
    await kube.create(STREAMS, _NAMESPACE, mine)
    await configure(kube, managementState="Removed")

    async def removed() -> bool:
        status: Any = (await kube.get(CONFIGS, None, "cluster"))["status"]
        return bool(status["managementState"] == "Removed") and await holds(
            kube, "RemovePending", "False"
        )

    await until(removed, samples.stack)
    left = {item["metadata"]["name"] for item in mappings([*(await _all(kube, STREAMS))])}
    assert left == {"myapp"}
    assert await _all(kube, TEMPLATES) == []
    assert await kube.get(CONFIG_MAPS, OWN_NAMESPACE, TAG_MAP)
    await configure(kube, managementState="Managed")
    await until(lambda: holds(kube, "SamplesExist"), samples.stack)


async def _all(kube: KubeClient, resource: ResourceType) -> list[dict[str, Any]]:
    return list((await kube.list(resource, _NAMESPACE)).items)


async def test_the_namespaces_of_the_samples_stay(kube: KubeClient) -> None:
    for name in (_NAMESPACE, OWN_NAMESPACE):
        with pytest.raises(Upstream, match="may not be deleted"):
            await kube.delete(_NAMESPACES, None, name)


async def test_a_deleted_config_is_made_anew(samples: Samples, kube: KubeClient) -> None:
    before: Any = await kube.get(CONFIGS, None, "cluster")
    await kube.delete(CONFIGS, None, "cluster")

    async def is_new() -> bool:
        found: Any = await kube.get(CONFIGS, None, "cluster")
        return bool(found["metadata"]["uid"] != before["metadata"]["uid"])

    await until(is_new, samples.stack)
    await until(lambda: holds(kube, "SamplesExist"), samples.stack)
