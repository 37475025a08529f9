"""What `tagstream prune` prints: lines as the guide's pruner has them (spec D12), or JSON.

Progress goes to standard error, and to a terminal only; JSON is written as it comes, so that a
hundred thousand images need no room.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tagstream.pruning.explaining import Explanation
from tagstream.pruning.marking import BadReferences, Marked, Progress
from tagstream.pruning.rules import PruneRules
from tagstream.pruning.runs import UNTOUCHED_REGISTRY, Preview
from tagstream.pruning.sweeping import Removed
from tagstream.store.prune import PruneRun

_MOST_TOLD = 3
_NOT_YET = "Blobs and manifests in registries are not deleted yet."
_DRY_RUN = "Dry run enabled - no modifications will be made. Add --confirm to remove images"


class Output(Protocol):
    """Told what happens; `close` ends the progress bar, and may be called again."""

    def tell(self, progress: Progress) -> None: ...

    def close(self) -> None: ...

    async def previewed(self, preview: Preview) -> None: ...

    def removed(self, what: Removed) -> None: ...

    def pruned(self, marked: Marked, run: PruneRun) -> None: ...

    def explained(self, found: Explanation) -> None: ...

    def refused(self, error: BadReferences) -> None: ...


def build_output(kind: str, rules: PruneRules) -> Output:
    """`json` or `text`."""
    return _JsonOutput(rules) if kind == "json" else _TextOutput()


class _WithBar:
    def __init__(self) -> None:
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
            )
            self._task = self._bar.add_task("connecting", total=None)
            self._bar.start()

    def tell(self, progress: Progress) -> None:
        if self._bar is not None:
            self._bar.update(
                self._task,
                description=progress.step,
                completed=progress.done,
                total=progress.total or None,
            )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        """A line of standard output, above the bar where both are on one terminal."""
        if self._bar is not None and sys.stdout.isatty():
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line)


class _TextOutput(_WithBar):
    def __init__(self) -> None:
        super().__init__()
        self._has_begun = False

    async def previewed(self, preview: Preview) -> None:
        click.echo(_DRY_RUN, err=True)
        click.echo(_NOT_YET, err=True)
        _warn(preview.marked)
        click.echo(UNTOUCHED_REGISTRY)
        async for namespace, name, items in preview.streams():
            click.echo(_items_line(namespace, name, items))
        async for digest in preview.images():
            click.echo(_image_line(digest))
        counts = preview.marked.counts
        click.echo(summarize(counts.images, counts.items, counts.streams))

    def removed(self, what: Removed) -> None:
        self._begin()
        if what.items:
            self.say(_items_line(what.namespace, what.stream, what.items))
        for digest in what.images:
            self.say(_image_line(digest))

    def _begin(self) -> None:
        if not self._has_begun:
            self.say(UNTOUCHED_REGISTRY)
        self._has_begun = True

    def pruned(self, marked: Marked, run: PruneRun) -> None:
        _warn(marked)
        self._begin()
        click.echo(summarize(run.images, run.items, run.streams))

    def explained(self, found: Explanation) -> None:
        for line in explain_lines(found):
            click.echo(line)

    def refused(self, error: BadReferences) -> None:
        self.close()
        click.echo("Failed to build graph!", err=True)
        click.echo("The following objects have invalid references:", err=True)
        for bad in error.bad:
            click.echo(f"  {bad.line()}", err=True)
        if error.count > len(error.bad):
            click.echo(f"  and {error.count - len(error.bad)} more", err=True)
        fix = "Either fix the references or delete the objects to make the pruner proceed."
        click.echo(f"{fix} --ignore-invalid-refs goes on without them.", err=True)
        click.echo("error: failed to build graph - no changes made", err=True)


def _items_line(namespace: str, name: str, items: int) -> str:
    return f"Deleting {items} items from image stream {namespace}/{name}"


def _image_line(digest: str) -> str:
    return f"Deleting image {digest}"


def _warn(marked: Marked) -> None:
    for bad in marked.bad:
        click.echo(f"ignored: {bad.line()}", err=True)
    if marked.bad_count > len(marked.bad):
        click.echo(f"ignored: {marked.bad_count - len(marked.bad)} more", err=True)


def summarize(images: int, items: int, streams: int) -> str:
    """The last line of a run: what is not zero, in the guide's order."""
    parts = [
        f"deleted {images} image object(s)" if images else "",
        f"deleted {items} image stream tag item(s)" if items else "",
        f"updated {streams} image stream(s)" if streams else "",
    ]
    return "Summary: " + (", ".join(part for part in parts if part) or "deleted 0 objects")


def explain_lines(found: Explanation) -> list[str]:
    """Why an image stays, a reason a line."""
    if not found.exists:
        return [f"no image {found.digest} is stored"]
    if not found.is_kept:
        head = f"nothing keeps {found.digest}: the next run with these rules removes it"
        return [head, *_shorten(f"  although {note}" for note in found.notes)]
    return [
        f"{found.digest} is kept:",
        *_shorten(f"  {reason}" for reason in found.reasons),
        *_shorten(f"  no matter that {note}" for note in found.notes),
    ]


def _shorten(lines: Iterable[str]) -> list[str]:
    """A few are told, the others counted."""
    told = list(lines)
    more = len(told) - _MOST_TOLD
    return told if more <= 0 else [*told[:_MOST_TOLD], f"  and {more} more like that (-o json)"]


class _JsonOutput(_WithBar):
    def __init__(self, rules: PruneRules) -> None:
        super().__init__()
        self._rules = rules

    async def previewed(self, preview: Preview) -> None:
        counts = preview.marked.counts
        head = {
            "dryRun": True,
            **self._common(preview.marked),
            "summary": _summary(counts.images, counts.items, counts.streams),
        }
        click.echo(json.dumps(head)[:-1] + ', "streams": [', nl=False)
        separator = ""
        async for namespace, name, items in preview.streams():
            one = {"namespace": namespace, "name": name, "items": items}
            click.echo(f"{separator}{json.dumps(one)}", nl=False)
            separator = ",\n"
        click.echo('], "images": [', nl=False)
        separator = ""
        async for digest in preview.images():
            click.echo(f"{separator}{json.dumps(digest)}", nl=False)
            separator = ",\n"
        click.echo("]}")

    def removed(self, what: Removed) -> None:
        """The summary tells; each image has its fact."""

    def pruned(self, marked: Marked, run: PruneRun) -> None:
        summary = _summary(run.images, run.items, run.streams)
        done = {"dryRun": False, "run": run.id, **self._common(marked), "summary": summary}
        click.echo(json.dumps(done, indent=2))

    def explained(self, found: Explanation) -> None:
        told = {
            "image": found.digest,
            "exists": found.exists,
            "kept": found.is_kept,
            "reasons": list(found.reasons),
            "notes": list(found.notes),
        }
        click.echo(json.dumps(told, indent=2))

    def refused(self, error: BadReferences) -> None:
        self.close()
        lines = [bad.line() for bad in error.bad]
        told = {"error": "no changes made", "invalidReferences": lines, "count": error.count}
        click.echo(json.dumps(told, indent=2))

    def _common(self, marked: Marked) -> dict[str, object]:
        return {
            "rules": self._rules.to_json(),
            "position": str(marked.position),
            "registry": _NOT_YET,
            "ignoredReferences": [bad.line() for bad in marked.bad],
        }


def _summary(images: int, items: int, streams: int) -> dict[str, int]:
    return {"images": images, "items": items, "streams": streams}
