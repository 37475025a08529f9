"""Paths of the page: built and recognised here and nowhere else. Pure.

Everything lies below `/ui/`, besides `/` itself, so that no path of Kubernetes is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

HOME = "/"
PREFIX = "/ui/"
EVENTS = "/ui/events"
LIVE = "/ui/live"
SIGN_IN = "/ui/sign-in"
SIGN_OUT = "/ui/sign-out"
STATIC = "/ui/static/"
_STREAMS = "/ui/streams/"


def stream_path(namespace: str, stream: str) -> str:
    """Where a stream is shown."""
    return f"{_STREAMS}{quote(namespace, safe='')}/{quote(stream, safe='')}"


def tag_path(namespace: str, stream: str, tag: str) -> str:
    """Where a tag is shown."""
    return f"{stream_path(namespace, stream)}/{quote(tag, safe='')}"


def parse_object_path(path: str) -> tuple[str, ...] | None:
    """Namespace and stream, or these and a tag, of a decoded path; None for another path."""
    if not path.startswith(_STREAMS):
        return None
    names = tuple(path.removeprefix(_STREAMS).split("/"))
    return names if len(names) in (2, 3) and all(names) else None


def with_query(path: str, query: Mapping[str, object]) -> str:
    """The path with those parameters that are not empty."""
    kept = {name: value for name, value in query.items() if value not in ("", None, False)}
    return f"{path}?{urlencode(kept)}" if kept else path


def safe_return(path: str) -> str:
    """Where to go after signing in: a path of the page, `/` for anything else."""
    is_ours = path == HOME or path.startswith(("/?", PREFIX))
    is_plain = path.isprintable() and "\\" not in path and not path.startswith((SIGN_IN, SIGN_OUT))
    return path if is_ours and is_plain else HOME
