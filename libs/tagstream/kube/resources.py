"""How a kind is addressed in a REST path. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind as the server serves it: `apps/v1`, `Deployment`, `deployments`."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL path; `namespace=None` means all namespaces, which only lists and watches take.

        Raises ValueError for a namespace on a cluster-wide kind.
        """
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self.plural} have no namespace")
        root = "/apis" if "/" in self.api_version else "/api"
        parts = [root, self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)


EVENTS = ResourceType("v1", "Event", "events")
