"""Where and how a text is not JSON, in the words of Go's encoding/json.

Runs only for bodies that the fast decoder refused. Linear in the body, without recursion.
"""

from __future__ import annotations

import re
from typing import Final

#: Longer bodies are not searched for their first error: that would hold up other requests.
_MAX_BYTES: Final = 128 * 1024
_END: Final = "unexpected end of JSON input"
_SPACE_RE: Final = re.compile(r"[ \t\r\n]*")
_STRING_RE: Final = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
_NUMBER_RE: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}


class _Malformed(Exception):
    """The complaint, as text."""


def describe_json_error(data: bytes) -> str:
    """The sentence Go's decoder would have said about `data`."""
    if len(data) > _MAX_BYTES:
        return "malformed JSON"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid UTF-8"
    try:
        _Scanner(text).scan()
    except _Malformed as error:
        return str(error)
    return "nested too deeply, or a lone surrogate in a string"


class _Scanner:
    """Walks a text; `_stack` holds the closing brackets that are still awaited."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._stack: list[str] = []

    def scan(self) -> None:
        """Raises _Malformed at the first error."""
        self._value()
        while self._stack:
            self._after_value(self._stack[-1])
        if self._skip():
            raise self._unexpected("after top-level value")

    def _after_value(self, closing: str) -> None:
        char = self._skip()
        if char == closing:
            self._at += 1
            self._stack.pop()
        elif char == ",":
            self._at += 1
            if closing == "}":
                self._key()
            self._value()
        else:
            what = "object key:value pair" if closing == "}" else "array element"
            raise self._unexpected(f"after {what}")

    def _value(self) -> None:
        """One scalar, or the opening of containers up to the first scalar or empty one."""
        while True:
            char = self._skip()
            if char not in ("{", "["):
                self._scalar(char)
                return
            self._at += 1
            self._stack.append("}" if char == "{" else "]")
            if self._skip() == self._stack[-1]:
                return
            if char == "{":
                self._key()

    def _key(self) -> None:
        if self._skip() != '"':
            raise self._unexpected("looking for beginning of object key string")
        self._string()
        if self._skip() != ":":
            raise self._unexpected("after object key")
        self._at += 1

    def _scalar(self, char: str) -> None:
        if char == '"':
            self._string()
        elif char in _LITERALS:
            self._literal(_LITERALS[char])
        elif char == "-" or char.isdigit():
            self._number()
        else:
            raise self._unexpected("looking for beginning of value")

    def _string(self) -> None:
        match = _STRING_RE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        char = self._text[self._at : self._at + 1]
        if char == '"':
            self._at += 1
        elif char == "\\":
            self._bad_escape()
        else:
            raise self._unexpected("in string literal")

    def _bad_escape(self) -> None:
        self._at += 1
        if self._text[self._at : self._at + 1] != "u":
            raise self._unexpected("in string escape code")
        self._at += 1
        while self._text[self._at : self._at + 1] in _HEX_DIGITS:
            self._at += 1
        raise self._unexpected("in \\u hexadecimal character escape")

    def _literal(self, word: str) -> None:
        for index, expected in enumerate(word):
            if self._text[self._at : self._at + 1] != expected:
                rest = f"in literal {word} (expecting {_go_char(word[index])})"
                raise self._unexpected(rest)
            self._at += 1

    def _number(self) -> None:
        match = _NUMBER_RE.match(self._text, self._at)
        if match is None:
            self._at += 1
            raise self._unexpected("in numeric literal")
        self._at = match.end()
        char = self._text[self._at : self._at + 1]
        if char == ".":
            self._at += 1
            raise self._unexpected("after decimal point in numeric literal")
        if char in ("e", "E"):
            self._at += 1
            raise self._unexpected("in exponent of numeric literal")

    def _skip(self) -> str:
        match = _SPACE_RE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _unexpected(self, where: str) -> _Malformed:
        char = self._text[self._at : self._at + 1]
        if not char:
            return _Malformed(_END)
        return _Malformed(f"invalid character {_go_char(char)} {where}")


def _go_char(char: str) -> str:
    """A character as Go quotes it in these messages."""
    if char == "'":
        return "'\\''"
    if char == '"':
        return "'\"'"
    if char.isprintable() and char != "\\":
        return f"'{char}'"
    names = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
    escaped = names.get(char) or f"\\x{ord(char):02x}"
    return f"'{escaped}'"
