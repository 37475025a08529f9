"""Why an image stays, or that it goes, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tagstream.pruning.rules import PruneRules, format_duration
from tagstream.pruning.runs import Preview
from tagstream.store.database import Connection
from tagstream.store.prune_why import (
    ItemState,
    load_image_state,
    load_items,
    load_parents,
    load_pins,
    load_users,
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`reasons` say what keeps the image; without any it goes. `notes` say what does not."""

    digest: str
    exists: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        return self.exists and bool(self.reasons)


async def explain(preview: Preview, rules: PruneRules, digest: str) -> Explanation:
    """Asks the marks of a dry run about one image. Raises Unavailable."""
    async with preview.session.connection() as connection:
        image = await load_image_state(connection, digest)
        if image is None:
            return Explanation(digest, exists=False)
        threshold = preview.marked.items.threshold
        reasons, notes = await _items(connection, digest, rules, threshold)
        reasons += [
            f"the specification of {pin} names it" for pin in await load_pins(connection, digest)
        ]
        for parent in await load_parents(connection, digest):
            if await _is_used(connection, parent):
                reasons.append(f"the manifest list {parent} contains it and is in use")
            else:
                notes.append(f"the manifest list {parent} contains it, but nothing uses the list")
    if not reasons:
        reasons += describe_unused(image.created_at, image.is_managed, rules, threshold)
    return Explanation(digest, True, tuple(reasons), tuple(notes))


async def _items(
    connection: Connection, digest: str, rules: PruneRules, threshold: datetime
) -> tuple[list[str], list[str]]:
    reasons, notes = [], []
    for item in await load_items(connection, digest):
        if item.goes:
            notes.append(describe_going(item, rules))
            continue
        key = (item.namespace, item.stream)
        by_tag = await load_users(connection, *key, tag=item.tag) if item.place == 0 else []
        by_digest = await load_users(connection, *key, digest=digest)
        reasons.append(describe_item(item, rules, threshold, by_tag, by_digest))
    return reasons, notes


async def _is_used(connection: Connection, parent: str) -> bool:
    items = await load_items(connection, parent)
    return any(not item.goes for item in items) or bool(await load_pins(connection, parent))


def name_item(item: ItemState) -> str:
    """`shop/app:prod (revision 2)`; the head is the current image."""
    which = "the current image" if item.place == 0 else f"revision {item.place} before the current"
    return f"{item.namespace}/{item.stream}:{item.tag} ({which})"


def describe_going(item: ItemState, rules: PruneRules) -> str:
    """Why an item goes."""
    why = f"newer revisions fill the {rules.keep_tag_revisions} that are kept"
    if rules.over_size_limit:
        why = f"it is larger than the LimitRanges of {item.namespace} allow"
    return f"{name_item(item)} holds it, but goes: {why}, and no workload names it"


def describe_item(
    item: ItemState,
    rules: PruneRules,
    threshold: datetime,
    by_tag: list[str],
    by_digest: list[str],
) -> str:
    """What keeps an item, by the first rule that does (spec D4)."""
    age = format_duration(rules.keep_younger_than)
    name = name_item(item)
    if rules.namespace and item.namespace != rules.namespace:
        return f"{name} holds it, and only the namespace {rules.namespace} is pruned"
    if item.stream_created_at > threshold:
        return f"{name} holds it, and the stream is younger than {age}"
    if item.created > threshold:
        return f"{name} holds it since less than {age}"
    if by_tag:
        return f"{name} holds it, and {' and '.join(by_tag)} uses the tag"
    if item.place < rules.keep_tag_revisions:
        return f"{name} holds it, one of the {rules.keep_tag_revisions} revisions that are kept"
    if by_digest:
        return f"{name} holds it, and {' and '.join(by_digest)} uses it by digest"
    if rules.over_size_limit:
        return f"{name} holds it, and no LimitRange of {item.namespace} is for smaller images"
    return f"{name} holds it"


def describe_unused(
    created_at: datetime, is_managed: bool, rules: PruneRules, threshold: datetime
) -> list[str]:
    """What keeps an image that nothing uses (spec D6): the namespace that is asked for, its kind or
    its youth, or nothing."""
    if rules.namespace:
        return [f"only the histories of the namespace {rules.namespace} are pruned, and no images"]
    if not rules.all_images and not is_managed:
        return ["nothing uses it, but it was not pushed here, and --all=false keeps such images"]
    if created_at > threshold:
        age = format_duration(rules.keep_younger_than)
        return [f"nothing uses it, but it is younger than {age}"]
    return []
