"""What the `tagstream` command accepts and prints, without any server."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tagstream.cli.doctor_checks import parse_server_time
from tagstream.cli.doctor_report import (
    Level,
    is_healthy,
    judge_clock,
    judge_disk,
    judge_lag,
    judge_migrations,
    judge_streams,
)
from tagstream.cli.event_text import event_line
from tagstream.cli.since import parse_since
from tagstream.cli.triggers import choose_kubeconfig
from tagstream.errors import InvalidInput
from tagstream.events.envelope import CloudEvent


def _tagstream(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tagstream.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["up", "--port", "no"], 2, "--port"),
        (["up", "--replicas", "web=2"], 2, "--replicas"),
        (["up", "--data-dir", "/proc/none"], 1, "--data-dir"),
        (["events", "--since", "yesterday"], 2, "10m"),
        (["events"], 1, "tagstream up"),
        (["doctor"], 1, "tagstream up"),
        (["triggers", "pause"], 2, "--namespace"),
        (["triggers", "status"], 1, "--kubeconfig"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_wrong_use_is_answered_with_one_line(arguments: list[str], status: int, named: str) -> None:
    answer = _tagstream(*arguments)
    assert answer.returncode == status
    assert answer.stderr.startswith("tagstream: ")
    assert answer.stderr.count("\n") == 1
    assert named in answer.stderr
    assert not answer.stdout


def test_version_does_not_wait_for_the_libraries_of_other_commands() -> None:
    code = (
        "import sys, tagstream.cli.group as g; g.cli(['version'], standalone_mode=False);"
        "sys.exit(str({'asyncpg', 'nats', 'cryptography', 'pydantic', 'asyncio'} & {*sys.modules}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert answer.stderr.strip() == "set()"


def test_since_is_an_age_or_a_sequence_number() -> None:
    assert parse_since("10m") == timedelta(minutes=10)
    assert parse_since("7d") == timedelta(days=7)
    assert parse_since("4711") == 4711


@pytest.mark.parametrize("text", ["", "0", "-5m", "10", "10 m", "1y", "٣m", "9" * 30])
def test_any_other_since_is_refused_or_a_number(text: str) -> None:
    if text == "10":
        assert parse_since(text) == 10
        return
    with pytest.raises(InvalidInput, match="--since"):
        parse_since(text)


def _event(data: bytes) -> CloudEvent:
    return CloudEvent(
        id="1",
        source="/tagstream",
        type="dev.tagstream.tag.changed.v1",
        time=datetime(2026, 11, 23, 12, 4, 5, tzinfo=UTC),
        data=data,
    )


def test_a_moved_tag_is_one_readable_line() -> None:
    data = (
        b'{"namespace":"shop","stream":"app","tag":"prod",'
        b'"oldImage":"sha256:1111111111111111","newImage":"sha256:2222222222222222"}'
    )
    assert event_line(_event(data)).split() == [
        "12:04:05",
        "tag.changed",
        "shop/app:prod",
        "sha256:111111111111",
        "->",
        "sha256:222222222222",
    ]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"tags": 3, "reason": {}}', b"\xff"])
def test_odd_data_still_makes_a_line(data: bytes) -> None:
    assert "tag.changed" in event_line(_event(data))


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    line = event_line(_event(b'{"reason":"\\u001b[2J\\nready https://evil"}'))
    assert "\x1b" not in line
    assert "\n" not in line


def test_doctor_judges_figures_and_names_fixes() -> None:
    assert judge_clock("nats", 0.1).level is Level.OK
    assert judge_clock("nats", -5).level is Level.WARN
    assert judge_clock("nats", 60).level is Level.FAIL
    assert judge_disk("/", 10 * 1024**3).level is Level.OK
    assert judge_disk("/", 1024**3).level is Level.WARN
    assert judge_disk("/", 0).level is Level.FAIL
    assert judge_lag(7, 7).level is Level.OK
    assert judge_lag(7, 5).level is Level.WARN
    assert judge_lag(5, 7).level is Level.FAIL
    assert judge_migrations(["1"], ["1", "2"]).level is Level.FAIL
    assert judge_migrations(["1", "2"], ["1"]).level is Level.WARN
    streams = judge_streams({"A": None, "B": 0, "C": 2})
    assert [finding.level for finding in streams] == [Level.FAIL, Level.WARN, Level.OK]
    for finding in [judge_disk("/", 0), judge_lag(7, 5), *streams[:2]]:
        assert finding.fix
        assert "\n" not in finding.line()


def test_warnings_do_not_make_a_set_up_unhealthy() -> None:
    assert is_healthy([judge_disk("/", 1024**3)])
    assert not is_healthy([judge_disk("/", 0)])


def test_the_time_in_a_jetstream_answer_is_read() -> None:
    answer = b'{"ts":"2026-11-23T12:00:00.123456789Z"}'
    assert parse_server_time(answer) == datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
    assert parse_server_time(b"{}") is None


def test_the_kubeconfig_is_chosen_like_kubectl_does(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("")
    given, named = Path("/given"), {"KUBECONFIG": "/first:/second"}
    assert choose_kubeconfig(given, named, tmp_path) == given
    assert choose_kubeconfig(None, named, tmp_path) == Path("/first")
    assert choose_kubeconfig(None, {}, tmp_path) == tmp_path / "kubeconfig"
