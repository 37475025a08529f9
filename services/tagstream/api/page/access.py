"""What one caller may read of what the page shows: the api's own rules, asked for each thing.

Owns which right each thing needs; whether the caller has it is `access/policy.py`'s answer. Every
thing needs the right that reading it through the API needs. Of what one may read, the page shows
more than the API does: who moved a tag and why, and events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.engine.context import User
from tagstream.events.facts import (
    TriggerFailed,
    TriggerFired,
    TriggerSkipped,
    TriggersPaused,
    TriggersResumed,
)

_IMAGES = "image.openshift.io"
_TRIGGERS = frozenset({TriggerFired.TYPE, TriggerSkipped.TYPE, TriggerFailed.TYPE})
_PAUSES = frozenset({TriggersPaused.TYPE, TriggersResumed.TYPE})

Resources = Mapping[tuple[str, str], tuple[str, str]]
"""Group and resource of each apiVersion and kind that is served."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A caller's rights as they are now. Call `refreshed` before the first question."""

    user: User
    policies: PolicyCache
    resources: Resources

    async def refreshed(self) -> Reader:
        """The same, with everything that was granted before this call."""
        await self.policies.refresh()
        return self

    def may_list_streams(self, namespace: str) -> bool:
        """In one namespace; "" asks for all of them."""
        return self._may("list", _IMAGES, "imagestreams", namespace)

    def may_get_stream(self, namespace: str, name: str) -> bool:
        return self._may("get", _IMAGES, "imagestreams", namespace, name)

    def may_get_workload(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        """False for a kind that is not served here: nobody can say who may read it."""
        found = self.resources.get((api_version, kind))
        return found is not None and self._may("get", *found, namespace, name)

    def may_see_fact(
        self,
        event_type: str,
        data: Mapping[str, object],
        at: datetime,
        births: Mapping[str, datetime],
    ) -> bool:
        """A fact is seen by whoever may read the stream or the images it is about, and a
        trigger's only by whoever may read the workload as well.

        `births` are all namespaces with when they were made: a right in one shows nothing of an
        earlier one of the same name. A right everywhere does.
        """
        namespace = _text(data, "namespace")
        if event_type in _PAUSES:
            return self._may_see_pause(namespace, at, births)
        if not namespace:
            return self._may("list", _IMAGES, "images", "") and self.may_list_streams("")
        if not self.may_list_streams(namespace):
            return False
        if not (_is_of(births.get(namespace), at) or self.may_list_streams("")):
            return False
        return event_type not in _TRIGGERS or self._may_see_workload(data, at, births)

    def _may_see_pause(self, namespace: str, at: datetime, births: Mapping[str, datetime]) -> bool:
        pauses = ("get", "tagstream.dev", "triggerpauses", "")
        if not self._may(*pauses, f"namespace.{namespace}" if namespace else "all"):
            return False
        return not namespace or _is_of(births.get(namespace), at) or self._may(*pauses)

    def _may_see_workload(
        self, data: Mapping[str, object], at: datetime, births: Mapping[str, datetime]
    ) -> bool:
        kind = (_text(data, "apiVersion"), _text(data, "kind"))
        namespace = _text(data, "workloadNamespace")
        if not self.may_get_workload(*kind, namespace, _text(data, "workloadName")):
            return False
        return _is_of(births.get(namespace), at) or self.may_get_workload(*kind, "", "")

    async def seen_namespaces(
        self, births: Mapping[str, datetime]
    ) -> Mapping[str, datetime] | None:
        """Those whose streams the caller may list; None when it may list all there are."""
        if self.may_list_streams(""):
            return None
        seen = {}
        for number, (namespace, since) in enumerate(births.items()):
            if number % 100 == 99:
                # Thousands of namespaces must not hold up every other request.
                await asyncio.sleep(0)
            if self.may_list_streams(namespace):
                seen[namespace] = since
        return seen

    def _may(self, verb: str, group: str, resource: str, namespace: str, name: str = "") -> bool:
        policy = self.policies.policy
        return policy.allowed(self.user, verb, group, resource, "", namespace, name)[0]


def _is_of(birth: datetime | None, at: datetime) -> bool:
    """Whether something happened in the namespace that was made then."""
    return birth is not None and at >= birth


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""
