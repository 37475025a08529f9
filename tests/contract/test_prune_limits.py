"""Runs of one namespace, and runs over the size limits of LimitRanges, on a real Postgres."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from fakes.api_client import NS, opened
from fakes.prune_model import (
    NAMESPACE,
    OTHER_NAMESPACE,
    Items,
    Picture,
    Pod,
    World,
    by_digest,
    by_tag,
)
from fakes.prune_world import NOW, build, histories_without, limit, load_digests, load_histories
from fakes.streams import digest
from tagstream.errors import InvalidInput
from tagstream.pruning.rules import PruneRules, rules_over_size_limit
from tagstream.pruning.runs import begin_run, prune
from tagstream.pruning.sweeping import Sweep
from tagstream.store.database import Database
from tagstream.store.prune import PruneRun

FIVE = tuple((name, 600) for name in "abcde")
PICTURES = tuple(Picture(name) for name in "abcdef")
# Streams `app` and `db` are in namespaces of their own.
TWO_NAMESPACES = World({"app": (600, {"1": FIVE}), "db": (600, {"1": FIVE})}, PICTURES)
# Both images are fresh, and the newest of their tags.
LARGE = World(
    {"app": (0, {"big": (("a", 0),), "small": (("b", 0),)}), "db": (0, {"big": (("c", 0),)})},
    (Picture("a", 0, size=200), Picture("b", 0, size=100), Picture("c", 0, size=200)),
    limits={NAMESPACE: 100},
)
OVER_LIMIT = rules_over_size_limit()


async def prune_by(database: Database, rules: PruneRules) -> PruneRun:
    run = await begin_run(database, rules, NOW)
    assert run is not None
    _, ended = await prune(
        database, run, Sweep(run.id, "jane", "test", rules, "", clock=lambda: NOW)
    )
    return ended


async def check(database: Database, world: World, gone: Items, images: set[str]) -> None:
    assert await load_histories(database) == histories_without(world, gone)
    async with database.connection() as connection:
        left = await load_digests(connection, world)
    assert left == {one.name for one in world.pictures} - images


async def test_a_run_of_one_namespace_shortens_its_histories_and_removes_no_image(
    database: Database,
) -> None:
    world = replace(
        TWO_NAMESPACES,
        pods=(
            Pod("far", by_digest("app", "d"), namespace=OTHER_NAMESPACE),
            Pod("near", by_digest("app", "e")),
            Pod("broken", "Not A Reference", namespace=OTHER_NAMESPACE),
        ),
    )
    await build(database, world)
    run = await prune_by(database, PruneRules(namespace=NAMESPACE))
    assert (run.streams, run.items, run.images) == (1, 1, 0)
    await check(database, world, {("app", "1", 3)}, set())


async def test_an_image_over_the_limit_goes_however_new_and_with_it_what_nothing_names(
    database: Database,
) -> None:
    limits = {NAMESPACE: 100, OTHER_NAMESPACE: 50}
    world = replace(LARGE, streams={"app": LARGE.streams["app"]}, limits=limits)
    await build(database, world)
    run = await prune_by(database, OVER_LIMIT)
    assert (run.streams, run.items, run.images) == (1, 1, 2)
    await check(database, world, {("app", "big", 0)}, {"a", "c"})


@pytest.mark.parametrize(
    "pod",
    [
        Pod("by-digest", by_digest("app", "a")),
        Pod("by-tag", by_tag("app", "big")),
        Pod("ended-long-ago", by_digest("app", "a"), "Succeeded"),
    ],
    ids=lambda pod: pod.name,
)
async def test_an_image_over_the_limit_stays_where_a_pod_names_it(
    database: Database, pod: Pod
) -> None:
    world = replace(LARGE, pods=(pod,))
    await build(database, world)
    await prune_by(database, OVER_LIMIT)
    await check(database, world, set(), set())


async def test_the_smallest_of_several_limits_counts_and_others_namespaces_do_not(
    database: Database,
) -> None:
    await build(database, LARGE)
    await limit(database, NAMESPACE, "0.05Mi", "smaller")
    await prune_by(database, rules_over_size_limit(namespace=OTHER_NAMESPACE))
    await check(database, LARGE, set(), set())
    await prune_by(database, rules_over_size_limit(namespace=NAMESPACE))
    await check(database, LARGE, {("app", "big", 0), ("app", "small", 0)}, set())


async def test_a_limit_that_cannot_be_read_refuses_the_run_and_names_it(database: Database) -> None:
    await build(database, replace(LARGE, limits={}))
    await limit(database, NAMESPACE, "1.2.3", "odd")
    with pytest.raises(InvalidInput, match=r"LimitRange odd in namespace shop: max.storage: '1.2"):
        await prune_by(database, OVER_LIMIT)


async def test_an_image_of_no_stream_goes_though_a_pod_runs_it(database: Database) -> None:
    world = World(pictures=PICTURES, pods=(Pod("web", f"quay.io/acme/a@{digest('a')}"),))
    await build(database, world)
    await prune_by(database, PruneRules())
    await check(database, world, set(), {one.name for one in PICTURES})


def cli(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tagstream.cli", "prune", *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TAGSTREAM_POSTGRES_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_command_prunes_one_namespace(database: Database, database_url: str) -> None:
    await build(database, TWO_NAMESPACES)
    dry = cli(database_url, "-n", NAMESPACE, "--prune-registry=false")
    assert dry.stdout.splitlines()[1:] == [
        f"Deleting 2 items from image stream {NAMESPACE}/app",
        "Summary: deleted 2 image stream tag item(s), updated 1 image stream(s)",
    ]
    why = cli(database_url, "-n", NAMESPACE, "--why", digest("d")).stdout
    assert f"is kept:\n  {OTHER_NAMESPACE}/db:1 (revision 3 before the current) holds it" in why
    assert f"only the namespace {NAMESPACE} is pruned" in why
    unused = cli(database_url, "-n", NAMESPACE, "--why", digest("f")).stdout
    assert "and no images" in unused
    nowhere = cli(database_url, "--namespace=nowhere")
    assert (nowhere.returncode, nowhere.stdout.splitlines()[1:]) == (
        0,
        ["Summary: deleted 0 objects"],
    )
    assert "there is no image stream in namespace nowhere" in nowhere.stderr
    assert cli(database_url, "-n", NAMESPACE, "--confirm").stdout == dry.stdout
    await check(database, TWO_NAMESPACES, {("app", "1", 3), ("app", "1", 4)}, set())


async def test_the_command_prunes_over_size_limits(database: Database, database_url: str) -> None:
    await build(database, LARGE)
    dry = cli(database_url, "--prune-over-size-limit", "--dry-run")
    assert dry.stdout.splitlines()[1:-1] == [
        f"Deleting 1 items from image stream {NAMESPACE}/app",
        f"Deleting image {digest('a')}",
    ]
    gone = cli(database_url, "--prune-over-size-limit", "--why", digest("a")).stdout
    assert f"it is larger than the LimitRanges of {NAMESPACE} allow" in gone
    kept = cli(database_url, "--prune-over-size-limit", "--why", digest("b")).stdout
    assert f"no LimitRange of {NAMESPACE} is for smaller images" in kept
    done = json.loads(
        cli(database_url, "--prune-over-size-limit", "--confirm", "-o", "json").stdout
    )
    assert done["summary"] == {"images": 1, "items": 1, "streams": 1}
    assert done["rules"]["overSizeLimit"] is True
    await check(database, LARGE, {("app", "big", 0)}, {"a"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--prune-over-size-limit", "--keep-tag-revisions=1"), "cannot be specified with"),
        (("--prune-over-size-limit=true", "--keep-younger-than=60m"), "cannot be specified with"),
        (("--prune-over-size-limit=maybe",), "not a valid boolean"),
        (("-n", "Shop"), "'Shop' is no namespace"),
        (("--namespace=",), "'' is no namespace"),
        (("--prune-registry",), "nothing can be deleted in registries yet"),
    ],
)
def test_wrong_choices_are_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    refused = cli("postgresql://nobody@127.0.0.1:1/none", *arguments)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def limit_range(*limits: object) -> dict[str, object]:
    return {"metadata": {"name": "sizes"}, "spec": {"limits": list(limits)}}


async def test_a_limit_range_of_the_api_is_what_the_pruner_goes_by(
    database: Database, database_url: str
) -> None:
    await build(database, replace(LARGE, limits={}))
    path = f"{NS}/{NAMESPACE}/limitranges"
    async with opened(database_url) as client:
        await client.make_namespace(NAMESPACE)
        images = {"type": "openshift.io/Image", "max": {"storage": "100Ki"}}
        container = {"type": "Container", "max": {"memory": "1Gi"}, "min": {"cpu": "5m"}}
        made = await client.post(path, limit_range(images, container))
        assert made.status == 201
        assert made.json["spec"]["limits"][0] == images
        assert made.json["spec"]["limits"][1]["default"] == {"memory": "1Gi"}
        assert made.json["spec"]["limits"][1]["defaultRequest"] == {"cpu": "5m", "memory": "1Gi"}
        assert (await client.get(path)).json["kind"] == "LimitRangeList"
        patched = await client.patch(f"{path}/sizes", {"metadata": {"labels": {"a": "b"}}})
        assert patched.status == 200
    dry = await asyncio.to_thread(cli, database_url, "--prune-over-size-limit")
    assert f"Deleting image {digest('a')}" in dry.stdout
