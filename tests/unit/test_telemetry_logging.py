"""Log lines are JSON, joined to their trace, and free of secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tagstream.telemetry import tracing
from tagstream.telemetry.logging import configure_logging, get_logger, redact_text
from tagstream.telemetry.names import MESSAGE_SPAN


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logging("importer", "info", out)
    yield out
    structlog.reset_defaults()
    root.handlers[:], root.level = before, level


def test_a_line_is_json_with_service_level_and_trace(lines: io.StringIO) -> None:
    with tracing.span(MESSAGE_SPAN):
        get_logger().info("tag imported", outcome="applied")
        trace_id = tracing.current_trace_id()
    get_logger().debug("not shown")
    line = json.loads(lines.getvalue())
    assert line.pop("time")
    assert line == {
        "event": "tag imported",
        "level": "info",
        "service": "importer",
        "outcome": "applied",
        "trace_id": trace_id,
    }


def test_fields_named_like_secrets_are_blanked(lines: io.StringIO) -> None:
    get_logger().info("login", password="a", bearer_token="b", tokens=3, url="http://u:p@host/x")
    line = json.loads(lines.getvalue())
    assert line["password"] == line["bearer_token"] == "[redacted]"
    assert line["tokens"] == 3
    assert line["url"] == "http://[redacted]@host/x"


def test_the_standard_library_logs_in_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("aiohttp").warning("slow %s", "peer")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["level"], line["service"]) == ("slow peer", "warning", "importer")


def test_an_exception_is_told_in_one_line_without_credentials(lines: io.StringIO) -> None:
    try:
        raise RuntimeError("GET https://joe:hunter2@quay.io failed")
    except RuntimeError:
        get_logger().exception("fetch failed")
    (text,) = lines.getvalue().splitlines()
    assert "hunter2" not in text
    assert "RuntimeError" in json.loads(text)["exception"]


def test_credentials_in_text_are_cut_out() -> None:
    assert redact_text("Authorization: Bearer abcdefgh.ijkl") == "Authorization: Bearer [redacted]"
    assert redact_text("postgres://u:pw@db/x") == "postgres://[redacted]@db/x"
    assert redact_text("basic facts") == "basic facts"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="use one of debug"):
        configure_logging("x", "loud")
