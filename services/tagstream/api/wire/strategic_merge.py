"""Strategic merge patch: merge patch that knows which lists are maps.

Owns the algorithm and its directives ($patch, $retainKeys, $deleteFromPrimitiveList,
$setElementOrder), with the element order that Kubernetes produces. What is merged by which key
stands in `merge_keys.py`. Works in place on a copy that the caller made.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.merge_keys import NO_RULE, MergeRule, MergeSchema
from tagstream.api.wire.status import ApiError, bad_request, unprocessable

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_PREFIX: Final = "$deleteFromPrimitiveList/"
_ORDER_PREFIX: Final = "$setElementOrder/"


def merge_into(original: JsonObject, patch: JsonObject, schema: MergeSchema) -> JsonObject:
    """`original` with the patch applied; both arguments are used up.

    Raises 400 for directives of a wrong form, 422 for a list element without its key.
    """
    directive = patch.pop(_PATCH, None)
    if directive is not None and directive != "merge":
        return _replace_or_delete(directive, patch)
    _retain_keys(original, patch)
    orders = _take_prefixed(patch, _ORDER_PREFIX)
    removals = _take_prefixed(patch, _DELETE_PREFIX)
    before = {name: list(original.get(name) or []) for name in orders if _is_list(original, name)}
    for name, unwanted in removals.items():
        _delete_from_list(original, name, unwanted)
    for name, value in patch.items():
        _merge_field(original, name, value, schema.get(name, NO_RULE))
    for name, order in orders.items():
        if isinstance(original.get(name), list):
            rule = schema.get(name, NO_RULE)
            original[name] = _arrange(original[name], order, before.get(name, []), rule.key)
    return original


def _replace_or_delete(directive: object, patch: JsonObject) -> JsonObject:
    if directive == "replace":
        stripped: JsonObject = _strip(patch)
        return stripped
    if directive == "delete":
        return {}
    raise bad_request(f"unknown patch type: {directive} in map")


def _is_list(original: JsonObject, name: str) -> bool:
    value = original.get(name)
    if value is not None and not isinstance(value, list):
        raise _bad_order()
    return value is not None


def _take_prefixed(patch: JsonObject, prefix: str) -> dict[str, list[Any]]:
    """The directives of one sort by the field they are for, taken out of the patch."""
    found: dict[str, list[Any]] = {}
    for key in [key for key in patch if key.startswith(prefix)]:
        value = patch.pop(key)
        if not isinstance(value, list):
            raise _bad_order() if prefix == _ORDER_PREFIX else _bad_primitives()
        found[key.removeprefix(prefix)] = value
    return found


def _retain_keys(original: JsonObject, patch: JsonObject) -> None:
    if _RETAIN not in patch:
        return
    wanted = patch.pop(_RETAIN)
    if not isinstance(wanted, list) or not all(isinstance(key, str) for key in wanted):
        raise bad_request("invalid patch format of retainKeys")
    kept = frozenset(wanted)
    for name, value in patch.items():
        directive = name.startswith((_ORDER_PREFIX, _DELETE_PREFIX))
        if value is not None and not directive and name not in kept:
            raise bad_request("invalid patch format of retainKeys")
    for name in [name for name in original if name not in kept]:
        del original[name]


def _delete_from_list(original: JsonObject, name: str, unwanted: list[Any]) -> None:
    current = original.get(name)
    if not isinstance(current, list):
        return
    if any(isinstance(item, (dict, list)) for item in unwanted):
        raise _bad_primitives()
    gone = {_identity(item) for item in unwanted}
    original[name] = [item for item in current if _identity(item) not in gone]


def _merge_field(original: JsonObject, name: str, value: Any, rule: MergeRule) -> None:
    if value is None:
        original.pop(name, None)
        return
    current = original.get(name)
    if isinstance(value, dict) and isinstance(current, dict) and not rule.replace:
        original[name] = merge_into(current, value, rule.below)
    elif isinstance(value, list) and isinstance(current, list) and rule.merge:
        original[name] = _merge_list(current, value, rule)
    elif isinstance(value, dict) and value.get(_PATCH) == "delete":
        original.pop(name, None)
    else:
        original[name] = _strip(value)


def _merge_list(current: list[Any], patch: list[Any], rule: MergeRule) -> list[Any]:
    if not current and not patch:
        return current
    if not rule.key:
        return _merge_set(current, patch)
    if not all(isinstance(item, dict) for item in (*current, *patch)):
        raise bad_request("invalid patch: the elements of a list merged by key must be objects")
    current, changes, replace = _apply_element_directives(current, patch, rule.key)
    if replace:
        return [_strip(item) for item in changes]
    positions = {_element_key(item, rule.key): at for at, item in reversed([*enumerate(current)])}
    merged = list(current)
    for item in changes:
        key = _element_key(item, rule.key)
        at = positions.get(key)
        if at is None:
            positions[key] = len(merged)
            merged.append(_strip(item))
        else:
            merged[at] = merge_into(merged[at], dict(item), rule.below)
    return _arrange(merged, changes, current, rule.key)


def _merge_set(current: list[Any], patch: list[Any]) -> list[Any]:
    if any(isinstance(item, (dict, list)) for item in (*current, *patch)):
        raise _bad_primitives()
    merged = {_identity(item): item for item in (*current, *patch)}
    return _arrange(list(merged.values()), patch, current, "")


def _apply_element_directives(
    current: list[Any], patch: list[Any], key: str
) -> tuple[list[Any], list[Any], bool]:
    """The current elements less the deleted ones, the ordinary patch elements, and whether
    these replace the list."""
    changes: list[Any] = []
    deleted: set[bytes] = set()
    replace = False
    for item in patch:
        directive = item.get(_PATCH)
        if directive in (None, "merge"):
            changes.append(item)
        elif directive == "delete":
            deleted.add(_element_key(item, key))
        elif directive == "replace":
            replace = True
        else:
            raise bad_request(f"unknown patch type: {directive} in map")
    kept = (
        [item for item in current if _element_key(item, key) not in deleted] if deleted else current
    )
    return kept, changes, replace


def _arrange(items: list[Any], order: list[Any], before: list[Any], key: str) -> list[Any]:
    """The elements named in `order` in that order, with the others woven in.

    An other element goes in front of the first ordered one that stood after it in `before`;
    where `before` does not tell, ordered elements go first, as Kubernetes does.
    """
    wanted = _ranks(order, key)
    ranks = _ranks(before, key)
    ordered = [item for item in items if _rank_key(item, key) in wanted]
    ordered.sort(key=lambda item: wanted[_rank_key(item, key)])
    others = [item for item in items if _rank_key(item, key) not in wanted]
    others.sort(key=lambda item: ranks.get(_rank_key(item, key), len(ranks)))
    woven: list[Any] = []
    at = 0
    for item in ordered:
        rank = ranks.get(_rank_key(item, key))
        while rank is not None and at < len(others):
            other = ranks.get(_rank_key(others[at], key))
            if other is None or other >= rank:
                break
            woven.append(others[at])
            at += 1
        woven.append(item)
    return woven + others[at:]


def _ranks(items: list[Any], key: str) -> dict[bytes, int]:
    """The position of each element, that of the first for equal ones."""
    return {_rank_key(item, key): at for at, item in reversed([*enumerate(items)])}


def _rank_key(item: Any, key: str) -> bytes:
    return _element_key(item, key) if key else _identity(item)


def _element_key(item: Any, key: str) -> bytes:
    """What identifies an element of a list merged by key."""
    if not isinstance(item, dict):
        raise _bad_order()
    value = item.get(key)
    if value is None:
        raise unprocessable()
    return _identity(value)


def _identity(value: Any) -> bytes:
    """A hashable form that keeps 1, true and "1" apart."""
    return orjson.dumps(value)


def _strip(value: Any) -> Any:
    """A patch value for a place where nothing was: without directives and nulls."""
    if isinstance(value, dict):
        return {
            name: _strip(item)
            for name, item in value.items()
            if item is not None and not _is_directive(name) and not _is_deletion(item)
        }
    if isinstance(value, list):
        return [_strip(item) for item in value if not _is_special(item)]
    return value


def _is_directive(name: str) -> bool:
    return name in (_PATCH, _RETAIN) or name.startswith((_DELETE_PREFIX, _ORDER_PREFIX))


def _is_deletion(item: Any) -> bool:
    return isinstance(item, dict) and item.get(_PATCH) == "delete"


def _is_special(item: Any) -> bool:
    """List elements that are orders rather than content."""
    return isinstance(item, dict) and item.get(_PATCH) in ("delete", "replace")


def _bad_order() -> ApiError:
    return bad_request("invalid patch format of setElementOrder list")


def _bad_primitives() -> ApiError:
    return bad_request("invalid patch format of primitive list")
