"""The file of a recording: whole, unchanged, of this version; or one clear sentence."""

from __future__ import annotations

import orjson
import pytest

from fakes.derived_recording import Made
from tagstream.replay.recording import BadRecording, check_seal, read_lines


@pytest.fixture
def lines() -> list[bytes]:
    made = Made()
    made.tag("app", "prod", "registry.example.com/app@sha256:" + "1" * 64)
    made.tag("app", "prod", "registry.example.com/app@sha256:" + "2" * 64)
    return made.lines()


def test_a_whole_recording_is_read(lines: list[bytes]) -> None:
    assert check_seal(lines).first == 1000
    assert [line.kind for line in read_lines(lines)] == ["command", "command", "rows", "rows"]


def test_one_without_its_last_line_was_cut_off(lines: list[bytes]) -> None:
    with pytest.raises(BadRecording, match="it is cut off: its last line"):
        check_seal(lines[:-1])


def test_one_that_ends_within_a_line_was_cut_off(lines: list[bytes]) -> None:
    with pytest.raises(BadRecording, match="it is cut off in line 3"):
        check_seal([*lines[:2], lines[2][:100]])


def test_an_empty_file_was_cut_off() -> None:
    with pytest.raises(BadRecording, match="it is cut off"):
        check_seal([])


def test_one_that_was_edited_is_refused(lines: list[bytes]) -> None:
    edited = [line.replace(b'"actor":"jane"', b'"actor":"joan"') for line in lines]
    with pytest.raises(BadRecording, match="it was changed after it was recorded"):
        check_seal(edited)


def test_one_that_lost_a_command_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(BadRecording, match="it was changed after it was recorded"):
        check_seal([lines[0], *lines[2:]])


def test_one_of_a_newer_version_names_both_versions(lines: list[bytes]) -> None:
    newer = orjson.dumps({**orjson.loads(lines[0]), "version": 7}) + b"\n"
    with pytest.raises(BadRecording, match="version 7 and this release reads version 1"):
        check_seal([newer, *lines[1:]])


@pytest.mark.parametrize("first", [b"{}\n", b'{"format":"something"}\n'])
def test_another_file_is_no_recording(first: bytes, lines: list[bytes]) -> None:
    with pytest.raises(BadRecording, match="this is not a recording"):
        check_seal([first, *lines[1:]])


def test_what_is_not_json_is_named_by_its_line(lines: list[bytes]) -> None:
    with pytest.raises(BadRecording, match="line 2 is not JSON"):
        check_seal([lines[0], b"hello\n", *lines[1:]])
