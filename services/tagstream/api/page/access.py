"""What one caller may read of what the page shows: the api's own rules, asked for each thing.

Owns which right each thing needs; whether the caller has it is `access/policy.py`'s answer. Nothing
is shown that the caller could not also read through the API.
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

    def may_see_fact(self, event_type: str, data: Mapping[str, object]) -> bool:
        """A fact is seen by whoever may read the stream or the images it is about, and a
        trigger's only by whoever may read the workload as well."""
        namespace = _text(data, "namespace")
        if event_type in _PAUSES:
            name = f"namespace.{namespace}" if namespace else "all"
            return self._may("get", "tagstream.dev", "triggerpauses", "", name)
        if not namespace:
            return self._may("list", _IMAGES, "images", "") and self.may_list_streams("")
        if not self.may_list_streams(namespace):
            return False
        return event_type not in _TRIGGERS or self.may_get_workload(
            _text(data, "apiVersion"),
            _text(data, "kind"),
            _text(data, "workloadNamespace"),
            _text(data, "workloadName"),
        )

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


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""
