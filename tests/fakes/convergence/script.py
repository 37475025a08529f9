"""A recording taken apart: what came from outside, in its order, and what has to come of it.

Inputs are the requests of the api, the ticks of the schedule, the runs of the pruner, and the
moments in which a registry began to answer something else. Everything else of a recording followed
from messages, and is counted only: as what had been done before an input came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fakes.convergence.outcome import Field, Outcome, read_outcome
from fakes.convergence.overtaken import read_overtaken
from fakes.workloads import UNSET
from tagstream.events.trigger_facts import FIRED, Reaction
from tagstream.replay.act import IMAGES, stored_form
from tagstream.replay.recording import Entry, Json, read_lines

Done = tuple[str, str]
"""The kind of a command that followed from a message, and the stream that it was for."""

Asked = tuple[str, str, str]
"""Namespace and stream of an import, and the pull spec it asked for."""

DERIVED = ("import.request", "import.finish", "import.apply", "trigger")
REQUESTS = ("imagestream.", "imagestreamtag.", "imagestreammapping.", "imagestreamimport.")


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry answers `result` to `asked` from now on."""

    asked: Asked
    result: Json


@dataclass(frozen=True, slots=True)
class Tick:
    """The schedule of a stream is due."""

    namespace: str
    stream: str


@dataclass(frozen=True, slots=True)
class PruneStart:
    """A run of the pruner begins; `rules` are those that its end tells."""

    run: str
    rules: Json


@dataclass(frozen=True, slots=True)
class PruneEnd:
    """The run is over."""

    run: str


@dataclass(frozen=True, slots=True)
class Step:
    """One input. `done` is what had followed from messages when it came. `sees` tells that it
    depends on that: whoever asked for it had seen an image, or it looks at all there is."""

    entry: Entry
    what: Entry | Answer | Tick | PruneStart | PruneEnd
    done: Mapping[Done, int]
    sees: bool = False


@dataclass(slots=True)
class Script:
    """`first` has what each registry answers at first, `bodies` the images that it has, and
    `followed` the tag of each workload's field.

    `overtaken`: for each stream the digests that an import found for a tag which was deleted or
    changed before the result was applied; it could as well have been applied before. `unused`: the
    same, and those found for streams that were gone.
    """

    steps: list[Step] = field(default_factory=list)
    first: dict[Asked, Json] = field(default_factory=dict)
    bodies: dict[str, Json] = field(default_factory=dict)
    followed: dict[Field, tuple[str, str]] = field(default_factory=dict)
    overtaken: dict[str, set[str]] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    expected: Outcome = field(default_factory=lambda: Outcome({}, frozenset()))

    @property
    def imported(self) -> set[str]:
        """The digests that registries answered."""
        answers = [s.what.result for s in self.steps if isinstance(s.what, Answer)]
        return {
            answer["image"]["digest"]
            for answer in (*self.first.values(), *answers)
            if answer["image"]
        }


def read_script(lines: Sequence[bytes]) -> Script:
    """From a recording that begins with an empty database."""
    script, images = Script(), dict[Field, str]()
    entries = [Entry.from_json(line.body) for line in read_lines(lines) if line.kind == "command"]
    done: Counter[Done] = Counter()
    now: dict[Asked, Json] = {}
    for entry, later in zip(entries, _answers_later(entries), strict=True):
        script.steps += (Step(entry, what, dict(done), _sees(what)) for what in _inputs(entry))
        if entry.kind in DERIVED:
            done[entry.kind, _stream_of(entry)] += 1
        for asked, result in _results(entry):
            script.first.setdefault(asked, result)
            now[asked] = result
        script.steps += (
            Step(entry, Answer(asked, result), dict(done))
            for asked, result in later
            if now[asked] != result
        )
        _read_images(script, entry)
        _read_reactions(script, images, entry)
    script.steps = _with_prune_rules(script.steps, entries)
    script.overtaken, script.unused = read_overtaken(entries)
    script.expected = read_outcome(read_lines(lines), images)
    return script


def _inputs(entry: Entry) -> Iterator[Entry | Tick | PruneStart | PruneEnd]:
    if entry.kind.startswith((*REQUESTS, "resource.")):
        yield entry
    elif entry.kind == "import.request" and entry.arguments["scheduled"]:
        yield Tick(entry.arguments["namespace"], entry.arguments["stream"])
    elif entry.kind in ("prune.items", "prune.images"):
        yield PruneStart(entry.arguments["run"], {})
    elif entry.kind == "prune.complete":
        yield PruneStart(entry.arguments["run"], {})
        yield PruneEnd(entry.arguments["run"])
    elif entry.kind not in DERIVED:
        raise AssertionError(f"a history holds {entry.kind}, of which nothing is known here")


def _with_prune_rules(steps: Sequence[Step], entries: Sequence[Entry]) -> list[Step]:
    """Each run starts once, with the rules that its end tells."""
    rules = {e.arguments["run"]: e.arguments for e in entries if e.kind == "prune.complete"}
    started: set[str] = set()
    kept: list[Step] = []
    for step in steps:
        what = step.what
        if isinstance(what, PruneStart):
            if what.run in started:
                continue
            started.add(what.run)
            what = PruneStart(what.run, rules[what.run])
        kept.append(Step(step.entry, what, step.done, step.sees))
    return kept


def _sees(what: object) -> bool:
    if isinstance(what, PruneStart):
        return True
    if not isinstance(what, Entry) or "wish" not in what.arguments:
        return isinstance(what, Entry) and what.kind.startswith("imagestreammapping.")
    wanted = [sides[1] for sides in what.arguments["wish"]["spec"].values() if sides[1]]
    own = f"{what.arguments['stream']}:"
    return any(_is_seen(ref.get("from") or {}, own) for ref in wanted)


def _is_seen(source: Json, own: str) -> bool:
    """An image, or the tag of another stream."""
    is_tag = source.get("kind") == "ImageStreamTag"
    is_own = ":" not in source.get("name", "") or source["name"].startswith(own)
    return source.get("kind") == "ImageStreamImage" or (is_tag and not is_own)


def _stream_of(entry: Entry) -> str:
    named = entry.arguments.get("import", entry.arguments)
    return f"{named['namespace']}/{named['stream']}" if "stream" in named else ""


def _results(entry: Entry) -> list[tuple[Asked, Json]]:
    """What registries answered, image by image."""
    if entry.kind == "import.finish":
        order = entry.arguments["import"]
        names = [image["from"] for image in order["request"]["images"]]
    elif entry.kind == "imagestreamimport.create":
        order = entry.arguments
        names = [image["from"]["name"] for image in order["spec"]["images"]]
    else:
        return []
    place = order["namespace"], order["stream"]
    results = entry.arguments["result"]["images"]
    return [((*place, name), result) for name, result in zip(names, results, strict=True)]


def _answers_later(entries: Sequence[Entry]) -> list[list[tuple[Asked, Json]]]:
    """For each entry the next answer to what it asked: the registry changed its mind in between,
    as early as can be."""
    next_answer: dict[Asked, Json] = {}
    later: list[list[tuple[Asked, Json]]] = []
    for entry in reversed(entries):
        results = _results(entry)
        later.append([(a, next_answer[a]) for a, _ in results if a in next_answer])
        next_answer.update(results)
    return later[::-1]


def _read_images(script: Script, entry: Entry) -> None:
    for change in entry.changes:
        if change["resource"] == IMAGES:
            script.bodies[change["name"]] = stored_form(change["body"])


def _read_reactions(script: Script, images: dict[Field, str], entry: Entry) -> None:
    if entry.kind != "trigger":
        return
    for reaction in map(Reaction.from_json, entry.arguments["reactions"]):
        for one in reaction.triggers:
            place = (reaction.kind, reaction.namespace, reaction.name, one.field_path)
            script.followed[place] = (one.namespace, f"{one.stream}:{one.tag}")
            images.setdefault(place, UNSET)
            if reaction.outcome == FIRED:
                images[place] = one.new_image
