"""The JSON value types that the wire functions speak, and the one bound they share.

Owns: the aliases, the depth limit of every accepted body. Does not own decoding (`decode.py`).
"""

from __future__ import annotations

from typing import Any

import orjson

JsonObject = dict[str, Any]

#: Deepest accepted nesting of objects and arrays. Real objects stay below 30; every recursive
#: function of this package relies on the bound, and so does the encoder (254 levels).
MAX_DEPTH = 128


def copy_json(value: JsonObject) -> JsonObject:
    """A deep copy; raises TypeError on values that JSON cannot hold or nested over 254 levels."""
    copied: JsonObject = orjson.loads(orjson.dumps(value))
    return copied


def exceeds_depth(value: object, limit: int = MAX_DEPTH) -> bool:
    """Whether `value` nests deeper than `limit` containers. Iterative: safe on any depth."""
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)
