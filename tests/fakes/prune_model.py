"""The pruner's rules as a plain model: by the words of the specification, one item at a time.

Source: spec/triggers-lookup-pruning.md D3, D4, D6. Owns a small world of streams, images and
workloads and what goes of it; nothing here is the pruner's own, so that its sets have something to
be compared with. A reference is written the way `host` writes it, in no other spelling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from fakes.streams import digest
from tagstream.pruning.rules import PruneRules

NAMESPACE = "shop"
OTHER_NAMESPACE = "mine"
HOST = "any:5000"
_TEMPLATE = ("spec", "template", "spec")
#: Where each kind of workload keeps its pod spec, and the group it is of.
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "pods": ("", ("spec",)),
    "replicationcontrollers": ("", _TEMPLATE),
    "deployments": ("apps", _TEMPLATE),
    "replicasets": ("apps", _TEMPLATE),
    "statefulsets": ("apps", _TEMPLATE),
    "daemonsets": ("apps", _TEMPLATE),
    "jobs": ("batch", _TEMPLATE),
    "cronjobs": ("batch", ("spec", "jobTemplate", *_TEMPLATE)),
    "deploymentconfigs": ("apps.openshift.io", _TEMPLATE),
}
#: Not stored: what the trigger-dispatcher has seen in another cluster.
WATCHED = "watched"


@dataclass(frozen=True)
class Picture:
    """An image: minutes of age, whether it was pushed here, its children if it is a list, and its
    size in KiB."""

    name: str
    age: int = 600
    managed: bool = False
    children: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class Pod:
    """A workload of one container; `phase` and `age` are a pod's."""

    name: str
    image: str
    phase: str = "Running"
    age: int = 600
    kind: str = "pods"
    is_init: bool = False
    namespace: str = NAMESPACE


Histories = Mapping[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class World:
    """Streams by name: minutes of age, and of each tag its items, newest first, as image name and
    minutes of age. The image name "" is an item of a reference tag. `pins` are streams with a tag
    whose specification names an image, `limits` the largest images of namespaces in KiB."""

    streams: Mapping[str, tuple[int, Histories]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    pods: tuple[Pod, ...] = ()
    pins: tuple[tuple[str, str], ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        return any(one.name == name for one in self.pictures)


Items = set[tuple[str, str, int]]


def home(stream: str) -> str:
    """The namespace of a stream."""
    return OTHER_NAMESPACE if stream == "db" else NAMESPACE


def by_tag(stream: str, tag: str) -> str:
    return f"{HOST}/{home(stream)}/{stream}:{tag}"


def by_digest(stream: str, image: str) -> str:
    return f"{HOST}/{home(stream)}/{stream}@{digest(image)}"


def expected_items(world: World, rules: PruneRules) -> Items:
    """Stream, tag and place of each item that goes (D4)."""
    minutes = _minutes(rules)
    used = {pod.image for pod in world.pods if _counts(pod, rules)}
    gone: Items = set()
    for stream, (age, tags) in world.streams.items():
        if age < minutes or rules.namespace not in ("", home(stream)):
            continue
        for tag, items in tags.items():
            for place, (image, item_age) in enumerate(items):
                if item_age < minutes or not image:
                    continue
                if place == 0 and by_tag(stream, tag) in used:
                    continue
                kept = _is_wanted(world, rules, stream, place, image)
                if not world.holds(image) or not (kept or by_digest(stream, image) in used):
                    gone.add((stream, tag, place))
    return gone


def _is_wanted(world: World, rules: PruneRules, stream: str, place: int, image: str) -> bool:
    """Whether an item stays that no workload names."""
    if not rules.over_size_limit:
        return place < rules.keep_tag_revisions
    limit = world.limits.get(home(stream), math.inf)
    return all(one.size <= limit for one in world.pictures if one.name == image)


def _minutes(rules: PruneRules) -> float:
    """What is younger stays."""
    return -math.inf if rules.over_size_limit else rules.keep_younger_than / timedelta(minutes=1)


def _counts(pod: Pod, rules: PruneRules) -> bool:
    if rules.namespace not in ("", pod.namespace):
        return False
    if pod.kind != "pods" or pod.phase in ("Running", "Pending"):
        return True
    return rules.over_size_limit or pod.age <= _minutes(rules)


def used_images(world: World, gone: Items) -> set[str]:
    """The names of the images that something still names once those items are gone."""
    used = {
        image
        for stream, (_, tags) in world.streams.items()
        for tag, items in tags.items()
        for place, (image, _) in enumerate(items)
        if (stream, tag, place) not in gone
    }
    used |= {image for _, image in world.pins}
    return used | {child for one in world.pictures if one.name in used for child in one.children}


def expected_images(world: World, rules: PruneRules, gone: Items) -> set[str]:
    """The names of the images that go once those items are gone (D6)."""
    if rules.namespace:
        return set()
    minutes = _minutes(rules)
    used = used_images(world, gone)
    return {
        one.name
        for one in world.pictures
        if one.name not in used and one.age >= minutes and (rules.all_images or one.managed)
    }


def pushed(world: World, stream: str, tag: str, name: str) -> World:
    """A tag moved to an image, which is made if there is none of that name."""
    age, tags = world.streams[stream]
    items = tags.get(tag, ())
    if not items or items[0][0] != name:
        tags = {**tags, tag: ((name, 0), *items)}
    pictures = world.pictures if world.holds(name) else (*world.pictures, Picture(name, 0))
    return replace(world, streams={**world.streams, stream: (age, tags)}, pictures=pictures)


def pinned(world: World, stream: str, name: str) -> World:
    """A tag of the stream names the image in its specification, which is made if there is none."""
    pictures = world.pictures if world.holds(name) else (*world.pictures, Picture(name, 0))
    return replace(world, pins=(*world.pins, (stream, name)), pictures=pictures)


def from_below(world: World, items: Items) -> Items:
    """Items by their distance from the oldest one, which no later move changes; and back again."""
    return {
        (stream, tag, len(world.streams[stream][1].get(tag, ())) - place)
        for stream, tag, place in items
    }
