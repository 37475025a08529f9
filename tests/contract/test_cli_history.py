"""`tagstream history` as a process, against a real Postgres."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.streams import alias, digest, pull_spec, put
from fakes.tag_story import Story
from tagstream.store.database import Database


@pytest.fixture
async def told(database: Database, database_url: str, tmp_path: Path) -> Told:
    """A tag that was set, moved and rolled back, and one that was deleted."""
    story = Story(database)
    await story.create()
    await story.tag("prod", "a", "ann")
    await story.tag("prod", "b", "bob")
    await story.tag("prod", "a", "eve")
    await story.tag("old", "c")
    await story.untag("old", "eve")
    pending = alias("pending", "other", generation=None)
    await story.write(lambda s: put(s, pending), "imagestreamtag.put")
    return Told(database_url, tmp_path)


class Told:
    """Runs the command."""

    def __init__(self, url: str, folder: Path) -> None:
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "TAGSTREAM_POSTGRES_URL": url,
        }

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tagstream.cli", "history", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
            timeout=60,
        )


async def test_the_table_shows_each_move_and_marks_what_is_meant_now(told: Told) -> None:
    answer = await told.run("shop/app:prod")
    assert (answer.returncode, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0] == f"shop/app:prod means {digest('a')}"
    a, b = (digest(name)[:19] for name in "ab")
    rows = [" ".join(line.split()) for line in lines[2:]]
    assert rows[0] == "WHEN UTC FROM TO HOW WHO (WHY)"
    newest, middle, oldest = rows[1:]
    assert newest.startswith("* ")
    assert newest.endswith(f"2026-11-23 04:28:23 {b} -> {a} rolled back eve (oc)")
    assert middle.endswith(f"2026-11-23 04:28:13 {a} -> {b} moved bob (oc)")
    assert oldest.endswith(f"2026-11-23 04:28:03 (nothing) -> {a} set ann (oc)")
    assert all(" ago " in row for row in rows[1:])


async def test_the_limit_shows_the_newest_and_says_that_there_are_older(told: Told) -> None:
    answer = await told.run("shop/app:prod", "--limit", "1")
    assert "rolled back" in answer.stdout
    assert "moved" not in answer.stdout
    assert "--limit 2" in answer.stdout


async def test_a_script_gets_json(told: Told) -> None:
    found = json.loads((await told.run("shop/app:prod", "-o", "json")).stdout)
    assert found["current"]["image"] == digest("a")
    assert [move["actor"] for move in found["moves"]] == ["eve", "bob", "ann"]
    assert found["moves"][0]["at"] == "2026-11-23T04:28:23+00:00"
    assert found["moves"][0]["from"]["reference"] == pull_spec("b")
    assert (found["hasOlder"], found["streamExists"]) == (False, True)


async def test_a_deleted_tag_says_who_deleted_it(told: Told) -> None:
    answer = await told.run("shop/app:old")
    assert answer.stdout.startswith("shop/app:old means nothing: it is deleted\n")
    assert "tag deleted" in answer.stdout
    assert "*" not in answer.stdout


async def test_a_moment_says_what_to_pull_since_when_and_until_when(told: Told) -> None:
    answer = await told.run("shop/app:prod", "--at", "2026-11-23T04:28:14Z")
    assert answer.returncode == 0
    first, pull, since, until = answer.stdout.splitlines()
    assert first == f"shop/app:prod meant {digest('b')} at 2026-11-23 04:28:14 UTC"
    assert pull.split() == ["pull", pull_spec("b")]
    assert since.startswith("  since  2026-11-23 04:28:13 UTC (")
    assert since.endswith(" ago) by bob (oc)")
    assert until.startswith("  until  2026-11-23 04:28:23 UTC (")


async def test_a_moment_before_the_first_item_fails_and_says_when_that_came(told: Told) -> None:
    answer = await told.run("shop/app:prod", "--at", "2026-11-23 04:00")
    assert answer.returncode == 1
    assert "meant nothing at 2026-11-23 04:00:00 UTC: its first image came" in answer.stdout
    answer = await told.run("shop/app:prod", "--at", "2026-11-23 04:00", "-o", "json")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["meant"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["app:prod"], 2, "NAMESPACE/STREAM:TAG, like shop/app:prod"),
        (["shop/app"], 2, "NAMESPACE/STREAM:TAG"),
        (["shop/app:prod", "--at", "noon"], 2, "2026-11-23T06:14:48Z"),
        (["shop/app:prod", "--at", "2999-01-01"], 2, "is in the future"),
        (["shop/app:prod", "--limit", "0"], 2, "--limit"),
        (["shop/app:prd"], 1, "did you mean prod?"),
        (["shop/app:zzz"], 1, "its tags: 1, 2, 3, 4, 5, 6, old, pending and 1 more"),
        (["shop/app:pending"], 1, "has never had an image"),
        (["shop/ap:prod"], 1, "did you mean app?"),
        (["nowhere/app:prod"], 1, "no image stream in namespace nowhere"),
    ],
)
async def test_what_cannot_be_answered_is_said_in_one_line(
    told: Told, arguments: list[str], status: int, named: str
) -> None:
    answer = await told.run(*arguments)
    assert answer.returncode == status
    assert answer.stderr.count("\n") == 1
    assert named in answer.stderr
    assert not answer.stdout
