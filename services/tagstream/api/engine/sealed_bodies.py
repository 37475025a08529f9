"""How a Secret lies in the store: its values sealed beside a body that only names their keys.

The body is what the journal keeps and the hub hands out, so it must tell nothing: `sealed` holds
the names of the keys and a fingerprint of all values together.
"""

from __future__ import annotations

import orjson

from tagstream.api.wire.json_types import JsonObject
from tagstream.store.journal import dump_json
from tagstream.store.sealing import Sealer

_MARK = "sealed"


class SealedBodies:
    """Takes `data` out of Secrets and puts it back."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def hide(self, item: JsonObject) -> tuple[JsonObject, bytes]:
        """The body without values, and the sealed values."""
        data, uid = item.get("data") or {}, item["metadata"]["uid"]
        plain = dump_json(data)
        body = {key: value for key, value in item.items() if key != "data"}
        body[_MARK] = {
            "keys": sorted(data),
            "fingerprint": self._sealer.fingerprint(plain, uid),
        }
        return body, self._sealer.seal(plain, uid)

    def reveal(self, body: JsonObject, sealed: bytes | None) -> JsonObject:
        """The Secret as its readers see it."""
        item = self.strip(body)
        if sealed is not None:
            data = orjson.loads(self._sealer.unseal(sealed, item["metadata"]["uid"]))
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
