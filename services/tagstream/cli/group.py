"""The top of the command tree: names, one-line helps, and where each command lives.

Owns the grouping in `tagstream --help`. Commands are imported when they are run, so that
`tagstream version` does not wait for the libraries of `tagstream up`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class _Entry:
    """`target` is `module:attribute` below `tagstream.cli`."""

    target: str
    help: str


_SECTIONS: dict[str, dict[str, _Entry]] = {
    "Run a stack": {
        "up": _Entry("up:up", "Run everything on this machine until Ctrl-C."),
        "demo": _Entry("demo:demo", "Do the main job for real, in a minute, and clean up."),
        "doctor": _Entry("doctor:doctor", "Say what is wrong with a set-up, and how to fix it."),
        "version": _Entry("version:version", "Print the version."),
    },
    "Follow and control": {
        "page": _Entry("page:page", "Print where the web page is, and a token to sign in with."),
        "events": _Entry("events:events", "Show what happens: tags that move, imports, triggers."),
        "history": _Entry("history:history", "Who moved a tag, when, why, from what to what."),
        "record": _Entry("record:record", "Write what happened into a file that can be replayed."),
        "replay": _Entry("replay:replay", "Apply a recording again, and compare."),
        "dead-letters": _Entry(
            "dead_letters:dead_letters", "Messages that could not be handled; put them back."
        ),
        "triggers": _Entry("triggers:triggers", "Pause and resume workload triggers."),
        "prune": _Entry("prune:prune", "Remove old history and images that nobody uses."),
        "samples": _Entry("samples:samples", "Sample streams and templates: what is there."),
    },
    "Run one service in the foreground (what containers run)": {
        "api": _Entry("service:api", "The Kubernetes-style API server."),
        "importer": _Entry("service:importer", "Fetches images' metadata from registries."),
        "tag-tracker": _Entry("service:tag_tracker", "Decides which tags to import and when."),
        "trigger-dispatcher": _Entry(
            "service:trigger_dispatcher", "Patches workloads when a tag moves."
        ),
        "pruner": _Entry("service:pruner", "Removes what nobody uses, on schedule."),
        "samples-manager": _Entry(
            "service:samples_manager", "Keeps the sample streams and templates."
        ),
    },
}
_ENTRIES = {name: entry for section in _SECTIONS.values() for name, entry in section.items()}


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _ENTRIES.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"tagstream.cli.{module}"), attribute
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Image streams for any Kubernetes cluster, or none.

    Start with `tagstream up`.
    """
