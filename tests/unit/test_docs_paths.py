"""The documentation names files, functions, targets and pages that exist.

A path in a code span begins at the top of the repository: `libs/tagstream/store/journal.py`. After
a colon stands a function, a class, a method or a constant of that file:
`libs/tagstream/store/journal.py:transaction`, `services/tagstream/api/server/app.py:App.stop`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/adr").glob("*.md")),
]
_TOP = ("libs", "services", "tests", "docs", "proto", "tools", "bench", "deploy", ".ci")
_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?:{'|'.join(re.escape(top) for top in _TOP)})/\S*")
_BARE_FILE = re.compile(r"[\w/.-]+\.(?:py|proto|sql)(?::[\w.]+)?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TARGET = re.compile(r"\bmake ([a-z][a-z0-9]*)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _spans(page: Path) -> Iterator[str]:
    for span in _SPAN.findall(_prose(page)):
        # A name to fill in is no path.
        if "<" not in span:
            yield span


@cache
def _symbols(path: Path) -> frozenset[str]:
    """Functions, classes, their methods, and constants of a module."""
    return frozenset(_names_in(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _names_in(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=inner):
                yield prefix + name
                yield from _names_in(inner, f"{prefix}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name


def _problem(span: str) -> str | None:
    path, _, symbol = span.partition(":")
    if "*" in path:
        return None if list(ROOT.glob(path)) else f"nothing matches {path}"
    if not (ROOT / path).exists():
        return f"{path} does not exist"
    if symbol and symbol not in _symbols(ROOT / path):
        return f"{path} has no {symbol}"
    return None


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_name_exists(page: Path) -> None:
    paths = [span for span in _spans(page) if _PATH.fullmatch(span)]
    assert [problem for span in paths if (problem := _problem(span))] == []


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.parent.name != "adr"], ids=lambda page: page.name
)
def test_files_are_named_by_their_whole_path(page: Path) -> None:
    spans = (span for span in _spans(page) if _BARE_FILE.fullmatch(span))
    assert [s for s in spans if s != "__init__.py" and not _PATH.fullmatch(s)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            broken.append(link)
        elif anchor:
            headings = _HEADING.findall(_FENCE.sub("", target.read_text(encoding="utf-8")))
            if anchor not in {_anchor(heading) for heading in headings}:
                broken.append(link)
    assert broken == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for span in _SPAN.findall(_prose(page))
        for name in _TARGET.findall(span)
    }
    assert named - targets == set()


def test_the_index_names_every_page() -> None:
    index = _LINK.findall((ROOT / "docs/README.md").read_text(encoding="utf-8"))
    pages = {p.name for p in (ROOT / "docs").glob("*.md")} - {"README.md"}
    records = {f"adr/{p.name}" for p in (ROOT / "docs/adr").glob("*.md")}
    assert (pages | records) - set(index) == set()
