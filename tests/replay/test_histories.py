"""Recorded histories replay exactly: the files under `histories/`, as they were committed.

Each was recorded from the real services' code (fakes/histories, made by make_histories.py) and is
never made again without a reason: a file that was written by an older release, in an older form,
must keep replaying to the byte. That they still do is the guard of the format, of every decision,
and of what a command's arguments mean.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import pytest

from fakes.convergence.script import Script, read_script
from fakes.histories.all import FOLDER, HISTORIES, read_history
from fakes.replaying import play
from fakes.streams import digest
from tagstream.replay.recording import Entry, read_lines

_MOST_BYTES = 60 * 1024


@dataclass(frozen=True, slots=True)
class History:
    """A committed file, read."""

    entries: list[Entry]
    script: Script

    @property
    def kinds(self) -> Counter[str]:
        return Counter(entry.kind for entry in self.entries)

    def facts(self, kind: str) -> list[dict[str, object]]:
        """The data of facts such as `tag.changed`, in order."""
        wanted = f"dev.tagstream.{kind}.v1"
        return [dict(f["data"]) for e in self.entries for f in e.facts if f["type"] == wanted]

    def images(self, stream: str, tag: str) -> list[str]:
        """What the tag meant at the end and before, newest first."""
        return [image for image, _ in self.script.expected.streams[stream].histories[tag]]


def read(name: str) -> History:
    lines = read_history(name)
    entries = [Entry.from_json(line.body) for line in read_lines(lines) if line.kind == "command"]
    return History(entries, read_script(lines))


def test_every_file_has_a_story_and_the_other_way_round() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(HISTORIES)
    assert len(HISTORIES) >= 8


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_replays_exactly(name: str) -> None:
    lines = read_history(name)
    assert sum(map(len, lines)) < _MOST_BYTES
    summary = play(lines)
    assert summary.commands >= 10
    assert min(summary.changes, summary.facts, summary.streams, summary.rows) > 0


def test_concurrent_taggers_met_at_one_tag() -> None:
    history = read("concurrent-taggers")
    by = {e.actor for e in history.entries if e.arguments.get("tag") == "prod"}
    assert by == {"ann", "bob", "dee"}
    assert len(history.images("shop/app", "prod")) >= 2
    assert history.images("shop/app", "build")[0] == digest("five")
    assert history.images("shop/app", "latest")[0] == digest("five")


def test_the_alias_chain_moved_four_tags_by_one_command() -> None:
    history = read("alias-chain")
    moved = Counter(
        entry.position
        for entry in history.entries
        for fact in entry.facts
        if fact["type"].endswith(".tag.changed.v1")
    )
    assert max(moved.values()) == 4
    assert "stable" in history.script.expected.streams["shop/app"].histories


def test_the_flapping_registry_failed_once_and_flapped() -> None:
    history = read("flapping-registry")
    images = history.images("shop/app", "1")
    assert len(images) == 5
    assert len(set(images)) == 2
    assert all(one != other for one, other in itertools.pairwise(images))
    assert len(history.facts("import.failed")) == 1
    assert sum(e.arguments.get("scheduled") is True for e in history.entries) == 6


def test_an_import_that_came_too_late_counted_for_one_tag_of_three() -> None:
    history = read("import-after-deletion")
    stream = history.script.expected.streams["shop/app"]
    assert stream.histories.keys() == {"kept", "moved"}
    assert history.script.overtaken["shop/app"]
    assert not history.script.overtaken["shop/app"] & set(history.images("shop/app", "moved"))
    finished = [e.position for e in history.entries if e.kind == "import.finish"]
    deleted = [e.position for e in history.entries if e.kind == "imagestreamtag.delete"]
    applied = [e.position for e in history.entries if e.kind == "import.apply"]
    assert finished[0] < deleted[0] < applied[0]


def test_a_stream_was_deleted_and_made_again_during_an_import() -> None:
    history = read("deleted-and-recreated")
    uids = {
        change["uid"]
        for entry in history.entries
        for change in entry.changes
        if (change["resource"], change["name"]) == ("imagestreams", "app")
    }
    assert len(uids) == 3
    assert history.kinds["imagestream.delete"] == 2
    assert history.kinds["import.finish"] > history.kinds["import.apply"]
    assert set(history.script.expected.streams) == {"shop/app"}


def test_the_same_digest_came_again_in_every_way() -> None:
    history = read("same-digest-again")
    assert history.kinds["imagestreamimport.create"] >= 1
    assert len(history.images("shop/app", "1")) == 2
    answered = [
        result["image"]["digest"]
        for entry in history.entries
        if entry.kind in ("import.finish", "imagestreamimport.create")
        for result in entry.arguments["result"]["images"]
    ]
    assert max(Counter(answered).values()) >= 3


def test_triggers_were_paused_while_tags_moved_and_resumed() -> None:
    history = read("trigger-paused")
    for kind in ("triggers.paused", "triggers.resumed"):
        assert len(history.facts(kind)) == 1
    assert {f["workloadName"] for f in history.facts("trigger.skipped")} == {"web", "job"}
    assert {f["workloadName"] for f in history.facts("trigger.fired")} == {"web", "job"}
    assert len(history.script.expected.workloads) == 3


def test_the_pruner_worked_beside_taggers() -> None:
    history = read("prune-beside-tagging")
    runs = [e.arguments["run"] for e in history.entries if e.kind == "prune.complete"]
    assert len(set(runs)) == 2
    first = [e.kind for e in history.entries if e.arguments.get("run") == runs[0]]
    assert {"prune.items", "prune.images"} <= set(first)
    positions = [e.position for e in history.entries if e.arguments.get("run") == runs[0]]
    between = {e.kind for e in history.entries if positions[0] < e.position < positions[-1]}
    assert {"imagestreammapping.create", "imagestreamtag.delete"} <= between
    assert digest("lib 1") in history.script.expected.images
    assert history.images("shop/lib", "saved") == [digest("lib 1")]
