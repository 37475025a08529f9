"""Label and field selectors of list, watch and deletecollection.

Owns the parsed forms and their matching. A filter is plain data (key, operator, values), so that
a store can turn it into a query. Refusals are 400s in Kubernetes' words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from tagstream.api.wire.field_errors import FieldError, invalid_value, join_errors
from tagstream.api.wire.go_text import go_quote
from tagstream.api.wire.label_tokens import Token, TokenKind, scan_label_selector
from tagstream.api.wire.names import check_label_key, check_label_value
from tagstream.api.wire.status import bad_request

_MAX_BYTES: Final = 64 * 1024


class Operator(StrEnum):
    """How a label's value is compared. EQUALS and NOT_EQUALS are written as IN and NOT_IN."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER = "gt"
    LESS = "lt"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label. `values` is sorted, empty for EXISTS and DOES_NOT_EXIST."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy the condition; NOT_IN holds for an absent label."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        left, right = _parse_int64(value), _parse_int64(self.values[0])
        if left is None or right is None:
            return False
        return left > right if self.operator is Operator.GREATER else left < right


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; none means everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        return all(item.matches(labels or {}) for item in self.requirements)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One `field=value` (or `!=`) of a field selector."""

    field: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms must hold. An absent field counts as the empty string."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object whose selectable fields have these values is selected."""
        return all(
            (fields.get(term.field, "") == term.value) is not term.negated for term in self.terms
        )

    def required_value(self, field: str) -> str | None:
        """The value this selector demands of `field`, None when it does not demand one."""
        for term in self.terms:
            if term.field == field and not term.negated:
                return term.value
        return None


def parse_label_selector(text: str | None) -> LabelSelector:
    """The selector of `labelSelector`; empty selects everything. Raises 400."""
    if not text:
        return _EVERYTHING
    if len(text) > _MAX_BYTES:
        raise bad_request("the label selector is too long")
    try:
        return _parse_labels(text)
    except _SelectorSyntax as error:
        raise bad_request(str(error)) from None


def parse_field_selector(text: str | None, supported: Collection[str]) -> FieldSelector:
    """The selector of `fieldSelector`. Raises 400 for syntax and for a field not in `supported`."""
    if not text:
        return FieldSelector()
    if len(text) > _MAX_BYTES:
        raise bad_request("the field selector is too long")
    terms = tuple(_parse_term(text, part) for part in sorted(_split_terms(text)) if part)
    for term in terms:
        if term.field not in supported:
            known = ", ".join(go_quote(field) for field in supported)
            raise bad_request(f"{go_quote(term.field)} is not a known field selector: only {known}")
    return FieldSelector(terms)


class _SelectorSyntax(Exception):
    """What is wrong with a selector, as text."""


_EVERYTHING: Final = LabelSelector()
_OPERATORS: Final = {
    TokenKind.IN: Operator.IN,
    TokenKind.EQUALS: Operator.IN,
    TokenKind.DOUBLE_EQUALS: Operator.IN,
    TokenKind.NOT_IN: Operator.NOT_IN,
    TokenKind.NOT_EQUALS: Operator.NOT_IN,
    TokenKind.GREATER: Operator.GREATER,
    TokenKind.LESS: Operator.LESS,
}
_SETS: Final = frozenset({TokenKind.IN, TokenKind.NOT_IN})
_STARTS: Final = frozenset({TokenKind.IDENTIFIER, TokenKind.NOT})
_ENDS: Final = frozenset({TokenKind.END, TokenKind.COMMA})


@lru_cache(maxsize=1024)
def _parse_labels(text: str) -> LabelSelector:
    return LabelSelector(_Parser(scan_label_selector(text)).parse())


class _Parser:
    """Recursive descent over the tokens; the grammar and the texts are those of Kubernetes."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def parse(self) -> tuple[Requirement, ...]:
        requirements: list[Requirement] = []
        while self._look().kind is not TokenKind.END:
            if self._look().kind not in _STARTS:
                raise _SelectorSyntax(
                    f"found '{self._look().text}', expected: !, identifier, or 'end of string'"
                )
            requirements.append(self._requirement_or_wrapped_error())
            self._separator()
        return tuple(sorted(requirements, key=lambda item: item.key))

    def _look(self) -> Token:
        """The current token as a value: `in` and `notin` are ordinary identifiers there."""
        token = self._tokens[min(self._position, len(self._tokens) - 1)]
        return Token(TokenKind.IDENTIFIER, token.text) if token.kind in _SETS else token

    def _take(self) -> Token:
        token = self._look()
        self._position += 1
        return token

    def _take_operator(self) -> Token:
        token = self._tokens[min(self._position, len(self._tokens) - 1)]
        self._position += 1
        return token

    def _separator(self) -> None:
        token = self._take()
        if token.kind not in _ENDS:
            raise _SelectorSyntax(f"found '{token.text}', expected: ',' or 'end of string'")
        if token.kind is TokenKind.COMMA and self._look().kind not in _STARTS:
            text = self._look().text
            raise _SelectorSyntax(f"found '{text}', expected: identifier after ','")

    def _requirement_or_wrapped_error(self) -> Requirement:
        try:
            return self._requirement()
        except _SelectorSyntax as error:
            raise _SelectorSyntax(f"unable to parse requirement: {error}") from None

    def _requirement(self) -> Requirement:
        key, negated = self._key()
        if negated:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self._look().kind in _ENDS:
            return Requirement(key, Operator.EXISTS)
        token = self._take_operator()
        operator = _OPERATORS.get(token.kind)
        if operator is None:
            raise _SelectorSyntax(f"found '{token.text}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._set() if token.kind in _SETS else (self._exact(),)
        _validate_values(key, operator, values)
        return Requirement(key, operator, values)

    def _key(self) -> tuple[str, bool]:
        token = self._take()
        negated = token.kind is TokenKind.NOT
        if negated:
            token = self._take()
        if token.kind is not TokenKind.IDENTIFIER:
            raise _SelectorSyntax(f"found '{token.text}', expected: identifier")
        complaints = check_label_key(token.text)
        if complaints:
            raise _SelectorSyntax(str(invalid_value("<nil>", token.text, "; ".join(complaints))))
        return token.text, negated

    def _exact(self) -> str:
        if self._look().kind in _ENDS:
            return ""
        token = self._take()
        if token.kind is not TokenKind.IDENTIFIER:
            raise _SelectorSyntax(f"found '{token.text}', expected: identifier")
        return token.text

    def _set(self) -> tuple[str, ...]:
        token = self._take()
        if token.kind is not TokenKind.OPEN:
            raise _SelectorSyntax(f"found '{token.text}' expected: '('")
        values: set[str] = set()
        while True:
            values.add(self._set_value())
            token = self._take()
            if token.kind is TokenKind.CLOSE:
                return tuple(sorted(values))
            if token.kind is not TokenKind.COMMA:
                raise _SelectorSyntax(f"found '{token.text}', expected: ',' or ')'")

    def _set_value(self) -> str:
        """A value; empty before a comma or the closing parenthesis, as in `(a,,b)` and `()`."""
        token = self._look()
        if token.kind in (TokenKind.COMMA, TokenKind.CLOSE):
            return ""
        if token.kind is not TokenKind.IDENTIFIER:
            raise _SelectorSyntax(f"found '{token.text}', expected: ',', ')' or identifier")
        return self._take().text


def _validate_values(key: str, operator: Operator, values: tuple[str, ...]) -> None:
    errors: list[FieldError] = []
    if operator in (Operator.GREATER, Operator.LESS) and _parse_int64(values[0]) is None:
        detail = "for 'Gt', 'Lt' operators, the value must be an integer"
        errors.append(invalid_value("values[0]", values[0], detail))
    for index, value in enumerate(values):
        complaints = check_label_value(value)
        if complaints:
            path = f"values[{index}][{key}]"
            errors.append(invalid_value(path, value, "; ".join(complaints)))
    if errors:
        raise _SelectorSyntax(join_errors(errors))


def _parse_int64(text: str) -> int | None:
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 63):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _split_terms(text: str) -> list[str]:
    """The comma-separated terms; an escaped comma stays, with its backslash."""
    terms, start, escaped = [], 0, False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ",":
            terms.append(text[start:index])
            start = index + 1
    return [*terms, text[start:]]


def _parse_term(selector: str, term: str) -> FieldTerm:
    field, equals, value = term.partition("=")
    if not equals:
        raise bad_request(f"invalid selector: '{selector}'; can't understand '{term}'")
    if field.endswith("!"):
        return FieldTerm(field[:-1], _unescape(value), negated=True)
    return FieldTerm(field, _unescape(value.removeprefix("=")))


def _unescape(value: str) -> str:
    if not any(char in value for char in "\\,="):
        return value
    plain: list[str] = []
    chars = iter(value)
    for char in chars:
        if char in ",=":
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(char)}")
        if char != "\\":
            plain.append(char)
            continue
        escaped = next(chars, "")
        if escaped not in ("\\", ",", "="):
            raise bad_request(f"invalid field selector: invalid escape sequence: \\{escaped}")
        plain.append(escaped)
    return "".join(plain)
