"""`${NAME}` and `${{NAME}}` in the objects of a template. Pure.

Owns spec/samples-and-templates.md §15.3. What was put in is never searched again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from tagstream.api.wire.json_types import exceeds_depth

MAX_SUBSTITUTED_CHARS: Final = 16 * 1024 * 1024

_IN_TEXT = re.compile(r"\$\{([a-zA-Z0-9_]+)\}")
_WHOLE = re.compile(r"\$\{\{([a-zA-Z0-9_]+)\}\}")
# So that an object stays well below the depth that a body may have.
_MAX_VALUE_DEPTH = 32


class TooLarge(ValueError):
    """The values would make the template many times larger than it may be."""


class Substitution:
    """Puts parameter values in the place of placeholders; an unknown name stays as written."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._chars_left = MAX_SUBSTITUTED_CHARS

    def put_into(self, value: Any) -> Any:
        """Any JSON value with its strings and its map keys substituted. Raises TooLarge."""
        match value:
            case str():
                return self._put_into_string(value)
            case dict():
                return {self.put_into_text(key): self.put_into(item) for key, item in value.items()}
            case list():
                return [self.put_into(item) for item in value]
        return value

    def put_into_text(self, text: str) -> str:
        """A text that stays a text. Raises TooLarge."""
        return _IN_TEXT.sub(self._value, text) if "${" in text else text

    def _put_into_string(self, text: str) -> Any:
        whole = _WHOLE.fullmatch(text)
        if whole is None:
            return self.put_into_text(text)
        value = self._value(whole)
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
        return value if exceeds_depth(parsed, _MAX_VALUE_DEPTH) else parsed

    def _value(self, found: re.Match[str]) -> str:
        value = self._values.get(found[1], found[0])
        self._chars_left -= len(value)
        if self._chars_left < 0:
            raise TooLarge(f"substituting makes more than {MAX_SUBSTITUTED_CHARS} characters")
        return value


def has_placeholder(text: str) -> bool:
    """Whether `${NAME}` stands anywhere in it."""
    return _IN_TEXT.search(text) is not None
