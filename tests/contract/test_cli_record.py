"""`tagstream record` and `tagstream replay`, as a person types them, on a real database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagstream.api.images.tag_writes import wish_arguments
from tagstream.store.database import Database
from tagstream.store.images import store_images
from tagstream.store.journal import Command, transaction
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import ImageStream, SourceKind, TagReference, TagSource
from tagstream.streams.stream_commands import decide_push, decide_spec
from tagstream.streams.tags import with_tag


async def put_tag(database: Database, tag: str, digit: str, registry: str = "") -> int:
    """Points a tag of shop/app to an image, in a stack with that internal registry; the position
    of the command."""
    now = datetime.now(UTC)
    image = f"registry.example.com/app@sha256:{digit * 64}"
    source = TagSource(SourceKind.DOCKER_IMAGE, image)
    ref = TagReference(tag, source, reference=True, reference_policy="Local")
    command = Command(str(uuid.uuid4()), "imagestreamtag.put", now, "jane", "oc")
    async with transaction(database, command) as tx:
        before = await load_stream(tx.connection, "shop", "app", tags=[tag], lock=True)
        blank = ImageStream("shop", "app", str(uuid.uuid4()), now.replace(microsecond=0))
        wanted = with_tag(before or blank, ref)
        tx.say(wish_arguments(before or blank, wanted, tag))
        after = decide_spec(before, wanted, {}, now.replace(microsecond=0), registry, tag=tag).after
        if before is None:
            await create_stream(tx, after, registry)
        else:
            await save_stream(tx, before, after, registry)
    return tx.position


async def push(database: Database, tag: str, digit: str, registry: str) -> None:
    """An image is pushed to the tag."""
    now = datetime.now(UTC)
    digest = f"sha256:{digit * 64}"
    body = {"dockerImageReference": f"registry.example.com/app@{digest}"}
    arguments = {
        "namespace": "shop",
        "stream": "app",
        "tag": tag,
        "digest": digest,
        "image": body,
        "reference": body["dockerImageReference"],
    }
    command = Command(
        str(uuid.uuid4()), "imagestreammapping.create", now, "jane", "docker", arguments
    )
    async with transaction(database, command) as tx:
        before = await load_stream(tx.connection, "shop", "app", tags=[tag], lock=True)
        assert before is not None
        await store_images(tx, {digest: body})
        second = now.replace(microsecond=0)
        written = decide_push(before, tag, body["dockerImageReference"], digest, second)
        await save_stream(tx, before, written.after, registry)


@pytest.fixture
async def positions(database: Database) -> list[int]:
    """Four moves of a tag."""
    return [await put_tag(database, "prod", digit) for digit in "1231"]


async def tagstream(url: str, *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tagstream.cli",
        *arguments,
        env={**os.environ, "TAGSTREAM_POSTGRES_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_what_was_recorded_replays_without_a_server(
    database_url: str, positions: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "all.rec"
    status, said, _ = await tagstream(database_url, "record", "-o", str(file))
    assert status == 0, said
    assert (
        f"recorded 4 commands on 1 image stream, positions {positions[0]} to {positions[-1]}"
        in said
    )
    status, said, _ = await tagstream("postgres://nowhere", "replay", str(file), "--verify")
    assert status == 0, said
    assert said.startswith("equal: 4 commands gave the same 4 changes, 4 facts and 0 jobs")


@pytest.mark.parametrize("start", [1, 2, 3])
async def test_a_recording_may_begin_anywhere(
    database_url: str, positions: list[int], tmp_path: Path, start: int
) -> None:
    file = tmp_path / "part.rec"
    since = str(positions[start])
    status, _, complaint = await tagstream(
        database_url, "record", "--since", since, "-o", str(file)
    )
    assert status == 0, complaint
    status, said, _ = await tagstream(database_url, "replay", str(file), "--verify")
    assert status == 0, said
    assert said.startswith(f"equal: {4 - start} commands")


async def test_an_age_may_say_where_it_begins(
    database_url: str, positions: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "hour.rec"
    status, said, _ = await tagstream(database_url, "record", "--since", "1h", "-o", str(file))
    assert status == 0
    assert "recorded 4 commands" in said


@pytest.mark.parametrize("since", ["yesterday", "-1h", "1.5"])
async def test_a_bad_beginning_is_refused_with_the_form(
    database_url: str, tmp_path: Path, since: str
) -> None:
    file = tmp_path / "x.rec"
    status, _, said = await tagstream(database_url, "record", f"--since={since}", "-o", str(file))
    assert status == 2
    assert "--since" in said
    assert len(said.splitlines()) == 1
    assert not file.exists()


async def test_a_beginning_before_the_journal_names_the_oldest(
    database: Database, database_url: str, positions: list[int], tmp_path: Path
) -> None:
    async with database.connection() as connection:
        await connection.execute("DELETE FROM changes WHERE position < $1", positions[2])
    file = str(tmp_path / "x.rec")
    status, _, said = await tagstream(
        database_url, "record", "--since", str(positions[0]), "-o", file
    )
    assert status == 1
    assert f"the journal holds whole commands from position {positions[2]} on" in said
    status, said, _ = await tagstream(database_url, "record", "-o", file)
    assert status == 0
    assert "recorded 2 commands" in said
    status, said, _ = await tagstream(database_url, "replay", file, "--verify")
    assert status == 0, said


async def test_an_empty_journal_has_nothing_to_record(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "x.rec"
    status, _, said = await tagstream(database_url, "record", "-o", str(file))
    assert (status, said.count("\n")) == (1, 1)
    assert "nothing to record" in said
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_a_directory_that_is_not_there_is_named(
    database_url: str, positions: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "no" / "x.rec"
    status, _, said = await tagstream(database_url, "record", "-o", str(file))
    assert status == 1
    assert f"the directory {file.parent} does not exist" in said


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    status, _, said = await tagstream("", "replay", str(tmp_path / "x.rec"), "--verify")
    assert status == 1
    assert "cannot read" in said
    assert "No such file" in said


async def test_a_recording_that_is_cut_off_is_refused_in_one_line(
    database_url: str, positions: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "x.rec"
    await tagstream(database_url, "record", "-o", str(file))
    await asyncio.to_thread(file.write_bytes, file.read_bytes()[:-200])
    status, said, complaint = await tagstream("", "replay", str(file), "--verify")
    assert (status, said, complaint.count("\n")) == (1, "", 1)
    assert "it is cut off" in complaint


async def test_a_recording_of_a_stack_with_a_registry_of_its_own_replays(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    first = await put_tag(database, "prod", "1", "registry.corp:5000")
    await push(database, "prod", "2", "registry.corp:5000")
    async with database.connection() as connection:
        facts = await connection.fetch("SELECT data FROM facts ORDER BY position")
    assert facts[-1]["data"]["newPullSpec"].startswith("registry.corp:5000/shop/app@")
    file = tmp_path / "x.rec"
    await tagstream(database_url, "record", "--since", str(first), "-o", str(file))
    status, said, _ = await tagstream("", "replay", str(file), "--verify")
    assert status == 0, said
