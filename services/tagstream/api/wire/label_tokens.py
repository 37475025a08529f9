"""Tokens of a label selector. The grammar over them is in `selectors.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class TokenKind(Enum):
    """What a token is; IN and NOT_IN are values wherever a value is expected."""

    END = auto()
    IDENTIFIER = auto()
    IN = auto()
    NOT_IN = auto()
    NOT = auto()
    EQUALS = auto()
    DOUBLE_EQUALS = auto()
    NOT_EQUALS = auto()
    GREATER = auto()
    LESS = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMA = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its text as written; the text of END is empty."""

    kind: TokenKind
    text: str


_SYMBOLS: Final = {
    "in": TokenKind.IN,
    "notin": TokenKind.NOT_IN,
    "!": TokenKind.NOT,
    "=": TokenKind.EQUALS,
    "==": TokenKind.DOUBLE_EQUALS,
    "!=": TokenKind.NOT_EQUALS,
    ">": TokenKind.GREATER,
    "<": TokenKind.LESS,
    "(": TokenKind.OPEN,
    ")": TokenKind.CLOSE,
    ",": TokenKind.COMMA,
}
_TOKEN_RE: Final = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+)")


def scan_label_selector(text: str) -> list[Token]:
    """All tokens of `text`, the last one END. A NUL ends the text, as it does in Kubernetes."""
    tokens = [
        Token(_SYMBOLS.get(match[1], TokenKind.IDENTIFIER), match[1])
        for match in _TOKEN_RE.finditer(text.partition("\0")[0])
    ]
    return [*tokens, Token(TokenKind.END, "")]
