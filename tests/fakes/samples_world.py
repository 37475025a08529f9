"""The samples' world for decisions: a Config, a library, a server that does what was planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tagstream.samples_manager.actions import Target, Verb
from tagstream.samples_manager.bootstrap import build_first_config
from tagstream.samples_manager.config import State, parse_config, print_status
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import MANAGED
from tagstream.samples_manager.reconcile import Plan, World, decide

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def stream(name: str = "ruby", *tags: str) -> dict[str, Any]:
    declared = [
        {"name": tag, "from": {"kind": "DockerImage", "name": f"quay.io/samples/{name}:{tag}"}}
        for tag in tags or ("1", "2")
    ]
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name},
        "spec": {"tags": declared},
    }


def template(name: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "template.openshift.io/v1",
        "kind": "Template",
        "metadata": {"name": name},
        "objects": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}],
    }


def library(*streams: dict[str, Any], version: str = "1.0", **rest: Any) -> Library:
    found = {one["metadata"]["name"]: one for one in streams or (stream("ruby"), stream("php"))}
    return Library("test", version, found, {"shop": template()}, **rest)


def world(spec: dict[str, Any] | None = None, **rest: Any) -> World:
    body = build_first_config(State.MANAGED, "x86_64")
    body["spec"] |= spec or {}
    body["metadata"]["generation"] = 1
    parts: dict[str, Any] = {"library": library(), "streams": {}, "templates": {}}
    parts |= {"config_maps": {}, "now": NOW} | rest
    return World(config=parse_config(body, NOW), **parts)


def carry_out(before: World, plan: Plan) -> World:
    """The world after a plan, as a server would leave it."""
    kinds = {
        Target.STREAM: dict(before.streams),
        Target.TEMPLATE: dict(before.templates),
        Target.CONFIG_MAP: dict(before.config_maps),
    }
    for action in plan.actions:
        stored = kinds[action.target]
        if action.verb is Verb.DELETE:
            del stored[action.name]
        elif action.verb is Verb.UNMARK:
            metadata = dict(action.body["metadata"])
            metadata["labels"] = {**metadata["labels"], MANAGED: "false"}
            stored[action.name] = {**action.body, "metadata": metadata}
        else:
            stored[action.name] = action.body
    body = {**before.config.body, "status": print_status(plan.status)}
    if plan.finalizers is not None:
        body["metadata"] = {**body["metadata"], "finalizers": list(plan.finalizers)}
    return replace(
        before,
        config=parse_config(body, before.now),
        streams=kinds[Target.STREAM],
        templates=kinds[Target.TEMPLATE],
        config_maps=kinds[Target.CONFIG_MAP],
    )


def settle(start: World) -> tuple[World, list[tuple[str, str, str]]]:
    """Steps until nothing is left, and what was done on the way."""
    done: list[tuple[str, str, str]] = []
    for _ in range(10):
        plan = decide(start)
        done += [(action.verb, action.name, action.reason) for action in plan.actions]
        start = carry_out(start, plan)
        if not plan.again:
            assert decide(start).actions == ()
            return start, done
    raise AssertionError("it never ends")


def change(before: World, **spec: Any) -> World:
    body = {**before.config.body, "spec": {**before.config.body["spec"], **spec}}
    return replace(before, config=parse_config(body, before.now))


def truths(of: World) -> dict[str, str]:
    return {kind.value: one.status.value for kind, one in of.config.status.conditions.items()}
