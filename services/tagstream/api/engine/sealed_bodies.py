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


class SealedBodies:
    """Takes `data` out of Secrets and puts it back."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def hide(self, item: JsonObject) -> tuple[JsonObject, bytes]:
        """The body without values, and the sealed values."""
        data, uid = item.get("data") or {}, item["metadata"]["uid"]
        metadata, note = _without_note(item["metadata"])
        plain = dump_json(data)
        body = {key: value for key, value in item.items() if key != "data"}
        body["metadata"] = metadata
        body[_MARK] = {
            "keys": sorted(data),
            "fingerprint": self._sealer.fingerprint(plain + note, uid),
        }
        if note:
            sealed = self._sealer.seal(note, uid)
            body[_MARK]["note"] = base64.b64encode(sealed).decode("ascii")
        return body, self._sealer.seal(plain, uid)

    def reveal(self, body: JsonObject, sealed: bytes | None) -> JsonObject:
        """The Secret as its readers see it."""
        item = self.strip(body)
        if sealed is None:
            return item
        uid = item["metadata"]["uid"]
        note = body.get(_MARK, {}).get("note")
        if note is not None:
            text = self._sealer.unseal(base64.b64decode(note), uid).decode()
            annotations = {**(item["metadata"].get("annotations") or {}), _NOTE: text}
            item["metadata"] = {**item["metadata"], "annotations": annotations}
        data = orjson.loads(self._sealer.unseal(sealed, uid))
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
            and _fingerprint(one) == _fingerprint(other)
        )


def _fingerprint(body: JsonObject) -> tuple[object, object]:
    mark = body.get(_MARK) or {}
    return mark.get("keys"), mark.get("fingerprint")


def _without_note(metadata: JsonObject) -> tuple[JsonObject, bytes]:
    annotations = dict(metadata.get("annotations") or {})
    note = annotations.pop(_NOTE, None)
    if note is None:
        return metadata, b""
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    if annotations:
        rest["annotations"] = annotations
    return rest, str(note).encode()
