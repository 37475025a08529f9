"""The order in which the tags of a repository are imported, when not all of them can be.

Owns spec/image-api-and-import.md §6.7 step 2. Does not know how many are imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tagstream.images.reference import DEFAULT_TAG

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"v?(?P<core>{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?)"
    rf"(?:-(?P<prerelease>{_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_MAX_NUMBER: Final = 2**64 - 1
_MAX_DIGITS: Final = 20

_Identifier = tuple[int, int, str]
_Precedence = tuple[tuple[int, ...], bool, tuple[_Identifier, ...]]


def sort_tags_for_import(tags: Iterable[str]) -> list[str]:
    """The tags, most wanted first.

    `latest`; then `X.Y` and `X.Y-word`; then full semantic versions; then the rest, bytewise.
    Versions are newest first and may begin with `v`; of equal ones that without `v` comes first.
    """
    latest: list[str] = []
    short: list[tuple[_Precedence, str]] = []
    full: list[tuple[_Precedence, str]] = []
    rest: list[str] = []
    for tag in tags:
        version = None if tag == DEFAULT_TAG else _parse_version(tag)
        if tag == DEFAULT_TAG:
            latest.append(tag)
        elif version is None:
            rest.append(tag)
        else:
            (short if len(version[0]) == 2 else full).append((version, tag))
    return [*latest, *_newest_first(short), *_newest_first(full), *sorted(rest)]


def _newest_first(versions: list[tuple[_Precedence, str]]) -> list[str]:
    # The second sort is stable, so equal versions stay in the order of the first.
    by_name = sorted(versions, key=lambda version: (version[1].startswith("v"), version[1]))
    by_name.sort(key=lambda version: version[0], reverse=True)
    return [tag for _, tag in by_name]


def _parse_version(tag: str) -> _Precedence | None:
    """What semver compares, greater is newer; None when the tag is no version."""
    match = _VERSION.fullmatch(tag)
    if match is None:
        return None
    numbers = [_parse_number(number) for number in match["core"].split(".")]
    prerelease = match["prerelease"]
    identifiers = [_parse_identifier(part) for part in prerelease.split(".")] if prerelease else []
    if None in numbers or None in identifiers:
        return None
    return (
        tuple(number for number in numbers if number is not None),
        prerelease is None,
        tuple(identifier for identifier in identifiers if identifier is not None),
    )


def _parse_identifier(text: str) -> _Identifier | None:
    """A pre-release identifier so that numbers sort by value and below words."""
    if not text.isdigit():
        return 1, 0, text
    number = _parse_number(text)
    return None if number is None or (len(text) > 1 and text[0] == "0") else (0, number, "")


def _parse_number(digits: str) -> int | None:
    """The number, or None past 64 bits, where upstream no longer sees a version."""
    if len(digits) > _MAX_DIGITS:
        return None
    number = int(digits)
    return number if number <= _MAX_NUMBER else None
