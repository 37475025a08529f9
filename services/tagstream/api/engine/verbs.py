"""Which verb a request is, and the one place where verbs are told apart.

Owns the mapping from HTTP methods to Kubernetes' verbs and the refusal of verbs that a kind does
not have (404 where no such path exists, 405 where it does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagstream.api.engine.call import Answer, Call, StreamAnswer, parse_flag
from tagstream.api.engine.deleting import on_delete, on_delete_collection
from tagstream.api.engine.reading import on_get, on_list
from tagstream.api.engine.routing import Entry, Target
from tagstream.api.engine.watching import on_watch
from tagstream.api.engine.writing import Writer
from tagstream.api.watch.events import Hub
from tagstream.api.wire.status import generic_method_not_allowed, generic_not_found

_OF_OBJECTS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_COLLECTIONS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_BELOW_OBJECTS = {**_OF_OBJECTS, "POST": "create"}
# These act on one namespace: there is no such path for all namespaces.
_IN_ONE_NAMESPACE = frozenset({"create", "deletecollection"})

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


def choose_verb(method: str, target: Target, entry: Entry, query: Mapping[str, str]) -> str:
    """The Kubernetes verb of a request, which the kind has. Raises 404 and 405."""
    if target.subresource:
        return _checked(_BELOW_OBJECTS, method, entry.subresources[target.subresource].verbs)
    kind = entry.kind
    if target.watch and method == "GET":
        return _checked({"GET": "watch"}, method, kind.verbs)
    if target.name:
        return _checked(_OF_OBJECTS, method, kind.verbs)
    if method == "GET" and parse_flag(query, "watch"):
        return _checked({"GET": "watch"}, method, kind.verbs)
    verb = _checked(_OF_COLLECTIONS, method, kind.verbs)
    if verb in _IN_ONE_NAMESPACE and kind.namespaced and not target.namespace:
        raise generic_method_not_allowed() if "list" in kind.verbs else generic_not_found()
    return verb


def _checked(verbs: Mapping[str, str], method: str, offered: tuple[str, ...]) -> str:
    verb = verbs.get(method)
    if verb in offered:
        return verb
    if not any(other in offered for other in verbs.values()):
        raise generic_not_found()
    raise generic_method_not_allowed()


@dataclass(frozen=True, slots=True)
class Verbs:
    """All verbs, wired to what they need."""

    writer: Writer
    hub: Hub

    async def answer(self, verb: str, call: Call) -> Answer | StreamAnswer:
        """Runs a verb that `choose_verb` has chosen. Raises ApiError for every refusal."""
        match verb:
            case "get":
                return await on_get(call)
            case "list":
                return await on_list(call)
            case "watch":
                return await on_watch(call, self.hub)
            case "create":
                return await self.writer.on_create(call)
            case "update":
                return await self.writer.on_update(call)
            case "patch":
                return await self.writer.on_patch(call)
            case "delete":
                return await on_delete(call)
        return await on_delete_collection(call)
