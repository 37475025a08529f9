"""Logs: structlog, one JSON object a line on stdout, readable text on a terminal.

Owns the set-up and the last guard against secrets in a log line. The standard library's loggers
(aiohttp, nats, uvicorn) come out in the same form. What is logged where is the callers' matter.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from tagstream.telemetry.tracing import current_trace_id

LEVELS = ("debug", "info", "warning", "error")
REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"(?i)(^|[_.-])(password|passwd|secret|authorization|cookie|credentials?|dockerconfigjson"
    r"|(?:access_|refresh_|bearer_|id_)?token|private_key|client_key)$"
)
_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)


def configure_logging(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, once per process.

    `level` is one of `LEVELS`, in any case; raises ValueError otherwise.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"unknown log level {level!r}: use one of {', '.join(LEVELS)}")
    number = getattr(logging, level.upper())
    out = stream or sys.stdout
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _named(service),
        _add_trace_id,
        structlog.processors.format_exc_info,
        redact,
    ]
    terminal = out.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=True, timestamp_key="time")
        if terminal
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )


def get_logger() -> FilteringBoundLogger:
    """The process's logger: fixed text first, values as fields."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Blank fields named like secrets, and credentials inside URLs and headers in any text."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = REDACTED
        elif isinstance(value, str):
            event[key] = redact_text(value)
    return event


def redact_text(text: str) -> str:
    """The text without `user:password@` of URLs and without bearer or basic credentials."""
    return _BEARER.sub(rf"\1 {REDACTED}", _USER_INFO.sub(rf"\1{REDACTED}@", text))


def _named(service: str) -> Processor:
    def add_service(
        _logger: object, _method: str, event: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        event["service"] = service
        return event

    return add_service


def _add_trace_id(_logger: object, _method: str, event: EventDict) -> EventDict:
    trace_id = current_trace_id()
    if trace_id:
        event.setdefault("trace_id", trace_id)
    return event


def _to_json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
