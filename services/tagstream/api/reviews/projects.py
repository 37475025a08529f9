"""project.openshift.io/v1: projects are namespaces, seen by those who may read them.

Owns the two kinds and who sees what. Requesting a project makes the namespace, its defaults and
the requester's `admin` binding in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from tagstream.api.access.namespace_defaults import add_namespace_defaults
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import build_binding, build_namespace, insert_object
from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.generic_storage import GenericStorage
from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.routing import WatchSource
from tagstream.api.engine.rules import Rules, StoredForm
from tagstream.api.engine.storage import DeleteOptions, ListPage, ListQuery, WriteOptions
from tagstream.api.kinds.cells import NAME, name_of, text
from tagstream.api.reviews.create_only import CreateOnly
from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_dns_label
from tagstream.api.wire.status import already_exists, build_success, forbidden, invalid
from tagstream.api.wire.table import Cell
from tagstream.store.database import Database
from tagstream.store.journal import transaction
from tagstream.store.resources import load_resource

GROUP = "project.openshift.io"


def _cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    notes = item["metadata"].get("annotations") or {}
    phase = (item.get("status") or {}).get("phase", "")
    return name_of(item), notes.get("openshift.io/display-name", ""), phase


PROJECTS = Kind(
    GROUP,
    "v1",
    "projects",
    "Project",
    "project",
    False,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    table=TableFormat((NAME, text("Display Name"), text("Status")), _cells),
)
PROJECT_REQUESTS = Kind(
    GROUP, "v1", "projectrequests", "ProjectRequest", "projectrequest", False, ("create", "list")
)
_RESERVED = ("openshift-", "kube-", "kubernetes-")
_SHORTEST_NAME = 2


def to_namespace(project: JsonObject) -> JsonObject:
    """The namespace that a project shows."""
    return {**project, "kind": "Namespace", "apiVersion": "v1"}


def to_project(namespace: JsonObject) -> JsonObject:
    """The project that shows a namespace."""
    return {**namespace, "kind": PROJECTS.kind, "apiVersion": PROJECTS.api_version}


class ProjectStorage(GenericStorage):
    """Namespaces as projects. `rules` are those of namespaces."""

    def __init__(self, database: Database, rules: Rules, policies: PolicyCache) -> None:
        form = StoredForm("", "namespaces", to_namespace, to_project)
        super().__init__(PROJECTS, database, replace(rules, stored_form=form))
        self._policies = policies

    @property
    def watch_source(self) -> WatchSource:
        return WatchSource("", "namespaces", self._show_visible)

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        """Only what the caller may get; a page may therefore hold less than was asked for."""
        page = await super().list(ctx, namespace, query)
        # After the rows: whoever was granted one of them is known to have been.
        await self._policies.refresh()
        items = [item for item in page.items if self._is_visible(ctx, item)]
        return replace(page, items=items)

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        await super().delete(ctx, namespace, name, options)
        return build_success()

    async def _show_visible(self, ctx: RequestContext, item: JsonObject) -> JsonObject | None:
        return to_project(item) if self._is_visible(ctx, item) else None

    def _is_visible(self, ctx: RequestContext, item: JsonObject) -> bool:
        name = item["metadata"]["name"]
        policy = self._policies.policy
        return policy.allowed(ctx.user, "get", "", "namespaces", "", name, name)[0]


@dataclass(frozen=True, slots=True)
class StatusPage(ListPage):
    """A LIST that is answered with a Status instead of a list."""

    status: JsonObject | None = None


class ProjectRequestStorage(CreateOnly):
    """Whoever may create project requests gets a namespace of their own."""

    def __init__(self, database: Database, policies: PolicyCache) -> None:
        super().__init__(self._on_request)
        self._database = database
        self._policies = policies

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        """Success for whoever may request a project, else 403: what `oc new-project` asks."""
        allowed, _ = await self._policies.allowed(
            ctx.user, "create", GROUP, PROJECT_REQUESTS.resource
        )
        if not allowed:
            raise forbidden(
                PROJECT_REQUESTS.resource,
                GROUP,
                "",
                "You may not request a new project via this API.",
            )
        return StatusPage((), 0, status=build_success())

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        if options.dry_run:
            _check_request(wanted)
            return wanted
        return await super().create(ctx, namespace, wanted, options)

    async def _on_request(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject
    ) -> JsonObject:
        _check_request(wanted)
        name = wanted["metadata"]["name"]
        notes = _annotations(ctx, wanted)
        project = build_namespace(name, notes)
        project.content["spec"]["finalizers"].insert(0, "openshift.io/origin")
        requester = Subject("User", ctx.user.name)
        command = ctx.command("project.request", "project requested", {"name": name, **notes})
        async with transaction(self._database, command) as tx:
            if await load_resource(tx.connection, "", "namespaces", "", name) is not None:
                raise already_exists("project", GROUP, name)
            change = await insert_object(tx, project)
            await add_namespace_defaults(tx, name)
            await insert_object(tx, build_binding(name, "admin", "admin", requester))
        await self._policies.refreshed(tx.position)
        body = cast(JsonObject, change.body)
        version = str(tx.version_of(change))
        return to_project({**body, "metadata": {**body["metadata"], "resourceVersion": version}})


def _annotations(ctx: RequestContext, wanted: JsonObject) -> dict[str, str]:
    return {
        "openshift.io/description": str(wanted.get("description") or ""),
        "openshift.io/display-name": str(wanted.get("displayName") or ""),
        "openshift.io/requester": ctx.user.name,
    }


def _check_request(wanted: JsonObject) -> None:
    """Raises 422 for a name that no project can have and 403 for a reserved one."""
    name = wanted["metadata"].get("name", "")
    errors: list[FieldError] = []
    if not name:
        errors.append(required_value("metadata.name", "name or generateName is required"))
    elif len(name) < _SHORTEST_NAME:
        errors.append(invalid_value("metadata.name", name, "must be at least 2 characters long"))
    else:
        errors += [invalid_value("metadata.name", name, text) for text in check_dns_label(name)]
    if "\n" in str(wanted.get("displayName") or ""):
        text = "may not contain a new line or tab"
        errors.append(invalid_value("displayName", wanted["displayName"], text))
    if errors:
        raise invalid(PROJECT_REQUESTS.kind, GROUP, name, errors)
    for prefix in _RESERVED:
        if name.startswith(prefix):
            cause = f'cannot request a project starting with "{prefix}"'
            raise forbidden("project", GROUP, name, cause)
