"""What the engine asks of the kinds' schemas: unknown fields and wrong JSON types."""

from __future__ import annotations

from typing import Protocol

from tagstream.api.engine.kinds import Kind
from tagstream.api.wire.json_types import JsonObject


class Schemas(Protocol):
    """Knows the fields of every kind. `body` has apiVersion, kind and a checked metadata."""

    def type_errors(self, kind: Kind, body: JsonObject) -> list[str]:
        """Values of a wrong JSON type, as in `json: cannot unmarshal string into Go struct field
        DeploymentSpec.spec.replicas of type int32`; none when the body can be read."""
        ...

    def unknown_fields(self, kind: Kind, body: JsonObject) -> list[str]:
        """Removes from `body` what the kind does not know and names it, as in
        `unknown field "spec.tags[0].nmae"`, in document order."""
        ...
