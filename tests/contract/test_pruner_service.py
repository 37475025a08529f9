"""The pruner's schedule and the command, on a real Postgres."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from fakes.prune_model import NAMESPACE, Picture, Pod, World
from fakes.prune_world import NOW, build, command
from fakes.streams import digest
from tagstream.cli.doctor_checks import check_postgres
from tagstream.errors import Unavailable
from tagstream.pruner.deps import Deps
from tagstream.pruner.scheduling import PruneClock
from tagstream.pruning.image_pruner import GROUP, NAME, RESOURCE
from tagstream.store.database import Connection, Database
from tagstream.store.journal import transaction
from tagstream.store.prune import load_open_run
from tagstream.store.resources import Resource, delete_resource, load_resource, update_resource

LATER = NOW + timedelta(hours=12)  # midnight, the schedule's time
OLD = World(
    {"app": (600, {"1": tuple((name, 600) for name in "abcde")})},
    tuple(Picture(name) for name in "abcde"),
)


async def load(database: Database) -> Resource:
    async with database.connection() as connection:
        found = await load_resource(connection, GROUP, RESOURCE, "", NAME)
    assert found is not None
    return found


async def change(database: Database, **spec: Any) -> None:
    async with transaction(database, command()) as tx:
        before = await load_resource(tx.connection, GROUP, RESOURCE, "", NAME, lock=True)
        assert before is not None
        changed: Any = before.body["spec"]
        await update_resource(
            tx, replace(before, body={**before.body, "spec": {**changed, **spec}})
        )


def conditions(pruner: Resource) -> dict[str, str]:
    status: Any = pruner.body["status"]
    return {one["type"]: one["status"] for one in status["conditions"]}


def clock_at(database: Database, moment: datetime, **deps: Any) -> PruneClock:
    return PruneClock(Deps(database, "", clock=lambda: moment, **deps))


async def test_the_object_is_made_and_made_again(database: Database) -> None:
    await clock_at(database, NOW).step()
    first = await load(database)
    async with transaction(database, command()) as tx:
        await delete_resource(tx, first)
    await clock_at(database, NOW).step()
    again = await load(database)
    assert again.uid != first.uid
    assert conditions(again) == {
        "Available": "True",
        "Scheduled": "True",
        "Failed": "False",
        "Degraded": "False",
    }


async def test_a_run_happens_once_at_its_time(database: Database) -> None:
    await build(database, OLD)
    assert await clock_at(database, NOW).step() is None
    run = await clock_at(database, LATER).step()
    assert run is not None
    assert (run.items, run.images, run.scheduled_for) == (2, 2, LATER)
    assert await clock_at(database, LATER + timedelta(minutes=1)).step() is None


async def test_a_suspended_pruner_rests_and_says_so(database: Database) -> None:
    await clock_at(database, NOW).step()
    await change(database, suspend=True)
    assert await clock_at(database, LATER).step() is None
    assert conditions(await load(database))["Scheduled"] == "False"


async def test_a_refused_run_is_a_failed_condition_until_the_next_one(database: Database) -> None:
    await build(database, replace(OLD, pods=(Pod("bad", "Not A Reference"),)))
    await clock_at(database, NOW).step()
    await change(database, ignoreInvalidImageReferences=False)
    await clock_at(database, LATER).step()
    failed = conditions(await load(database))
    assert (failed["Failed"], failed["Degraded"]) == ("True", "True")
    await change(database, ignoreInvalidImageReferences=True)
    run = await clock_at(database, LATER + timedelta(days=1)).step()
    assert run is not None
    assert run.items == 2
    assert conditions(await load(database))["Failed"] == "False"


async def test_a_stored_specification_that_cannot_be_followed_degrades(
    database: Database, database_url: str
) -> None:
    await clock_at(database, NOW).step()
    await change(database, keepTagRevisions=-1)
    await clock_at(database, LATER).step()
    assert conditions(await load(database))["Degraded"] == "True"
    told = {one.check: one.text for one in (await check_postgres(database_url))[0]}
    assert "spec.keepTagRevisions: must be greater" in told["pruner"]


async def test_the_next_holder_continues_what_a_dead_one_began(database: Database) -> None:
    await build(database, OLD)
    await clock_at(database, NOW).step()
    calls = []

    async def die_at_the_images(connection: Connection) -> None:
        calls.append(connection)
        if len(calls) == 2:
            raise Unavailable("killed")

    with pytest.raises(Unavailable):
        await clock_at(database, LATER, fence=die_at_the_images).step()
    async with database.connection() as connection:
        left = await load_open_run(connection)
    assert left is not None
    assert (left.items, left.images) == (2, 0)
    run = await clock_at(database, LATER + timedelta(hours=5)).step()
    assert run is not None
    assert (run.id, run.items, run.images) == (left.id, 2, 2)


def cli(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tagstream.cli", "prune", *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TAGSTREAM_POSTGRES_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_command_previews_explains_and_removes(
    database: Database, database_url: str
) -> None:
    pod = Pod("web", f"any:5000/{NAMESPACE}/app@{digest('e')}")
    await build(database, replace(OLD, pods=(pod,)))
    dry = cli(database_url, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.splitlines()[1:] == [
        f"Deleting 1 items from image stream {NAMESPACE}/app",
        f"Deleting image {digest('d')}",
        "Summary: deleted 1 image object(s), deleted 1 image stream tag item(s), "
        "updated 1 image stream(s)",
    ]
    assert dry.stdout.splitlines()[0] == (
        "Only API objects will be removed.  No modifications to the image registry will be made."
    )
    assert "not deleted yet" in dry.stderr
    kept = cli(database_url, "--why", digest("e"))
    assert "pod/web in shop uses it by digest" in kept.stdout
    lost = json.loads(cli(database_url, "--why", digest("d"), "-o", "json").stdout)
    assert (lost["kept"], lost["exists"]) == (False, True)
    assert "no image" in cli(database_url, "--why", digest("nothing")).stdout
    listed = json.loads(cli(database_url, "-o", "json").stdout)
    assert listed["images"] == [digest("d")]
    done = cli(database_url, "--confirm")
    assert done.stdout == dry.stdout
    nothing = json.loads(cli(database_url, "--confirm", "--all=false", "-o", "json").stdout)
    assert nothing["rules"]["allImages"] is False
    assert nothing["summary"] == {"images": 0, "items": 0, "streams": 0}
    assert uuid.UUID(nothing["run"])


_MANY = 3000
_FILL = """
    INSERT INTO images (digest, uid, version, created_at, metadata, body)
    SELECT 'sha256:' || encode(sha256(convert_to(n::text, 'UTF8')), 'hex'), gen_random_uuid(), n,
           now() - interval '1 day', '{}', '{}' FROM generate_series(1, $1::int) n
"""
# Slow enough that whoever looks sees it at work.
_DAWDLE = """
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
    CREATE TRIGGER dawdle AFTER DELETE ON images FOR EACH STATEMENT EXECUTE FUNCTION dawdle();
"""


async def test_a_killed_command_has_removed_whole_batches_and_the_next_one_ends_it(
    database: Database, database_url: str
) -> None:
    async def count(what: str) -> int:
        async with database.connection() as connection:
            found: int = await connection.fetchval(f"SELECT count(*) FROM {what}")
        return found

    async with database.connection() as connection:
        await connection.execute(_FILL, _MANY)
        await connection.execute(_DAWDLE)
    command = [sys.executable, "-m", "tagstream.cli", "prune", "--confirm"]
    environment = {"PATH": "/usr/bin:/bin", "TAGSTREAM_POSTGRES_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    while await count("images") == _MANY and process.returncode is None:
        pass
    process.kill()
    await process.wait()
    left = await count("images")
    assert 0 < left < _MANY
    assert await count("facts") == _MANY - left
    async with database.connection() as connection:
        await connection.execute("DROP TRIGGER dawdle ON images")
    done = json.loads(cli(database_url, "--confirm", "-o", "json").stdout)
    assert done["summary"]["images"] == left
    assert await count("facts") == _MANY + 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--keep-younger-than=-1h",), "--keep-younger-than must be greater than or equal to 0"),
        (("--keep-younger-than=1d",), "'1d' is no duration"),
        (("--keep-tag-revisions=-1",), "--keep-tag-revisions must be greater"),
        (("--keep-tag-revisions=x",), "not a valid integer"),
        (("--all=maybe",), "not a valid boolean"),
        (("--why", "latest"), "is no digest"),
        (("--dry-run", "--confirm"), "choose one of"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    refused = cli("postgresql://nobody@127.0.0.1:1/none", *arguments)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


async def test_a_broken_reference_is_told_with_the_container(
    database: Database, database_url: str
) -> None:
    await build(database, replace(OLD, pods=(Pod("bad", "Not A Reference"),)))
    refused = cli(database_url, "--confirm")
    assert refused.returncode == 1
    assert "pod/bad namespace=shop: container web: invalid image reference" in refused.stderr
    assert "no changes made" in refused.stderr.splitlines()[-1]
    assert cli(database_url, "--confirm", "--ignore-invalid-refs").returncode == 0
