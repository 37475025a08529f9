"""Generated parameter values: the `expression` language of templates. Pure.

Owns spec/samples-and-templates.md §15.4. Randomness comes in as `draw`, so that the same draws give
the same value.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Final

Draw = Callable[[int], int]
"""A random whole number from 0 up to, not including, the argument."""

MAX_GENERATED_CHARS: Final = 64 * 1024

_SYMBOLS = "~!@#$%^&*()-_+={}[]\\|<,>.?/\"';:`"
# The order that a range is a slice of.
_ORDER = string.ascii_lowercase + string.ascii_uppercase + string.digits + _SYMBOLS
_CLASSES = {
    "\\w": string.ascii_letters + string.digits + "_",
    "\\d": string.digits,
    "\\a": string.ascii_letters + string.digits,
    "\\A": _SYMBOLS,
}
_PIECE = re.compile(r"\[(?P<class>[a-zA-Z0-9\-\\]+)\]\{(?P<count>[0-9]+)\}")
_ELEMENT = re.compile(r"(?P<low>[a-zA-Z0-9])-(?P<high>[a-zA-Z0-9])|\\[wdaA]")
_MOST_PER_PIECE = 255


class GeneratorError(ValueError):
    """The expression cannot be generated from; `str()` is the server's own wording."""


def generate_value(expression: str, draw: Draw) -> str:
    """The expression with every `[class]{n}` replaced by n random characters of the class.

    What does not look like a piece stays as it is. Raises GeneratorError.
    """
    made: list[str] = []
    at = length = 0
    for piece in _PIECE.finditer(expression):
        alphabet = parse_class(piece["class"])
        count = _parse_count(piece["count"])
        length += count
        if length > MAX_GENERATED_CHARS:
            raise GeneratorError(f"generates more than {MAX_GENERATED_CHARS} characters")
        made.append(expression[at : piece.start()])
        made += [alphabet[draw(len(alphabet))] for _ in range(count)]
        at = piece.end()
    made.append(expression[at:])
    return "".join(made)


def parse_class(text: str) -> str:
    """The characters of a class like `a-zA-Z0-9` or `\\w`, each once. Raises GeneratorError.

    The upper bound of a range is left out, as the shipped server does (§15.4, Decision).
    """
    found: dict[str, None] = {}
    at = 0
    while at < len(text):
        element = _ELEMENT.match(text, at)
        if element is None:
            raise GeneratorError(f"malformed expresion syntax: [{text}]")
        found |= dict.fromkeys(_CLASSES.get(element[0]) or _parse_range(element))
        at = element.end()
    return "".join(found)


def _parse_range(element: re.Match[str]) -> str:
    low, high = _ORDER.index(element["low"]), _ORDER.index(element["high"])
    if low >= high:
        raise GeneratorError(f"invalid range specified: {element[0]}")
    return _ORDER[low:high]


def _parse_count(digits: str) -> int:
    # A number of thousands of digits is not even read.
    count = int(digits) if len(digits) <= 9 else _MOST_PER_PIECE + 1
    if not 1 <= count <= _MOST_PER_PIECE:
        raise GeneratorError(f"range must be within [1-255] characters ({digits[:20]})")
    return count
