"""How a Secret lies in the store: its values sealed beside a body that only names their keys.

The body is what the journal keeps and the hub hands out, so it must tell nothing: `sealed` holds
the names of the keys and a fingerprint of all values together. What `kubectl apply` notes of a
Secret holds its values once more, in an annotation: that is sealed with them.
"""

from __future__ import annotations

import base64

import orjson

from tagstream.api.wire.json_types import JsonObject
from tagstream.store.journal import dump_json
from tagstream.store.sealing import Sealer

_MARK = "sealed"
_NOTE = "kubectl.kubernetes.io/last-applied-configuration"
# Beside the values, under a name that none of them can have.
_NOTE_KEY = f"/{_NOTE}"


class SealedBodies:
    """Takes `data` out of Secrets and puts it back."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def hide(self, item: JsonObject) -> tuple[JsonObject, bytes]:
        """The body without values, and the sealed values."""
        data, uid = item.get("data") or {}, item["metadata"]["uid"]
        metadata, note = _without_note(item["metadata"])
        plain = dump_json(data if note is None else {**data, _NOTE_KEY: _encode(note)})
        body = {key: value for key, value in item.items() if key != "data"}
        body["metadata"] = metadata
        body[_MARK] = {
            "keys": sorted(data),
            "fingerprint": self._sealer.fingerprint(plain, uid),
        }
        return body, self._sealer.seal(plain, uid)

    def reveal(self, body: JsonObject, sealed: bytes | None) -> JsonObject:
        """The Secret as its readers see it."""
        item = self.strip(body)
        if sealed is None:
            return item
        data = orjson.loads(self._sealer.unseal(sealed, item["metadata"]["uid"]))
        note = data.pop(_NOTE_KEY, None)
        if note is not None:
            annotations = {**(item["metadata"].get("annotations") or {}), _NOTE: _decode(note)}
            item["metadata"] = {**item["metadata"], "annotations": annotations}
        if data:
            item["data"] = data
        return item

    @staticmethod
    def strip(body: JsonObject) -> JsonObject:
        """The Secret without values: all that is known of one that is gone or has changed."""
        return {key: value for key, value in body.items() if key != _MARK}

    @staticmethod
    def same_values(one: JsonObject, other: JsonObject) -> bool:
        """Whether two bodies stand for the same values of the same Secret."""
        return bool(
            one["metadata"].get("uid") == other["metadata"].get("uid")
            and one.get(_MARK) == other.get(_MARK)
        )


def _without_note(metadata: JsonObject) -> tuple[JsonObject, str | None]:
    annotations = dict(metadata.get("annotations") or {})
    note = annotations.pop(_NOTE, None)
    if note is None:
        return metadata, None
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return ({**rest, "annotations": annotations} if annotations else rest), note


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()
