"""`Schemas`: what the engine asks about the fields of a kind."""

from __future__ import annotations

from tagstream.api.engine.kinds import Kind
from tagstream.api.schemas.checks import Check, CheckCompiler
from tagstream.api.schemas.definitions import Definition, GroupKind, load_definitions
from tagstream.api.schemas.findings import find_type_errors, prune_unknown
from tagstream.api.wire.json_types import JsonObject


class Schemas:
    """Knows the fields of every kind. Reads the descriptions at the first question.

    A kind's definition is the one that `Kind.schema` names, or the one of its group, version and
    kind. A kind without a definition accepts everything.
    """

    def __init__(self) -> None:
        self._definitions: dict[str, Definition] = {}
        self._by_kind: dict[GroupKind, Definition] = {}
        self._compiler = CheckCompiler(self._definitions)
        self._checks: dict[str, Check] = {}

    @property
    def definitions(self) -> dict[str, Definition]:
        """All definitions by full name."""
        if not self._definitions:
            self._definitions.update(load_definitions())
            self._by_kind = {
                found.kind: found for found in self._definitions.values() if found.kind is not None
            }
        return self._definitions

    def find(self, group: str, version: str, kind: str, name: str = "") -> Definition | None:
        """The definition `name`, else that of the kind; None when there is none."""
        definitions = self.definitions
        return definitions.get(name) or self._by_kind.get((group, version, kind))

    def conforms(self, kind: Kind, body: JsonObject) -> bool:
        """Whether the body has only known fields, all of the right types. The fast question."""
        check = self._checks.get(kind.schema or kind.kind + kind.api_version)
        if check is None:
            check = self._compile(kind)
        return check(body)

    def type_errors(self, kind: Kind, body: JsonObject) -> list[str]:
        """Values of a wrong type, as Go's decoder would complain, in document order.

        The first is what Kubernetes answers with, after
        `<Kind> in version "<version>" cannot be handled as a <Kind>: `.
        """
        if self.conforms(kind, body):
            return []
        definition = self._find(kind)
        return [] if definition is None else [*find_type_errors(body, definition, self.definitions)]

    def unknown_fields(self, kind: Kind, body: JsonObject) -> list[str]:
        """Removes the fields that the kind does not have and names them, in document order.

        Like `unknown field "spec.tags[0].nmae"`. What is left is safe to store.
        """
        if self.conforms(kind, body):
            return []
        definition = self._find(kind)
        if definition is None:
            return []
        paths = prune_unknown(body, definition, self.definitions)
        return [f'unknown field "{path}"' for path in paths]

    def _find(self, kind: Kind) -> Definition | None:
        return self.find(kind.group, kind.version, kind.kind, kind.schema)

    def _compile(self, kind: Kind) -> Check:
        definition = self._find(kind)
        compiled = self._compiler.compile(definition.name) if definition else _accept
        self._checks[kind.schema or kind.kind + kind.api_version] = compiled
        return compiled


def _accept(value: object) -> bool:
    return True
