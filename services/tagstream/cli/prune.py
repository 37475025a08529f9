"""`tagstream prune`: what nobody uses; removes it, or says why an image stays.

Owns arguments and the order of work; what is printed is prune_output.py's.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagstream.cli.location import data_dir_option, postgres_url
from tagstream.errors import InvalidInput
from tagstream.pruning.rules import (
    PruneRules,
    check_age,
    check_namespace,
    check_revisions,
    rules_over_size_limit,
)

if TYPE_CHECKING:
    from tagstream.cli.prune_output import Output
    from tagstream.store.database import Database


_DEFAULT = click.core.ParameterSource.DEFAULT
_KEEP_OPTIONS = ("keep_tag_revisions", "keep_younger_than")
# As oc takes them: `--all`, `--all=false`.
_boolean = partial(
    click.option, type=bool, is_flag=False, flag_value=True, show_default=True, metavar="BOOL"
)


@click.command(short_help="Remove old history and images that nobody uses.")
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would go (the default).")
@click.option("--confirm", is_flag=True, help="Remove it.")
@click.option("--why", metavar="DIGEST", help="Say what keeps an image, or that nothing does.")
@click.option(
    "--keep-tag-revisions",
    type=int,
    default=3,
    show_default=True,
    metavar="N",
    help="Keep the N newest items of each tag.",
)
@click.option(
    "--keep-younger-than",
    default="60m",
    show_default=True,
    metavar="DURATION",
    help="Keep what is younger; h, m and s, like 1h30m.",
)
@_boolean(
    "--prune-over-size-limit",
    default=False,
    help="Instead of what is old, remove items of images that exceed a LimitRange of their "
    "namespace (type openshift.io/Image). Not with --keep-tag-revisions or --keep-younger-than.",
)
@click.option(
    "--namespace",
    "-n",
    metavar="NS",
    help="Shorten only this namespace's histories: no image goes, no other workload counts.",
)
@_boolean(
    "--all",
    "all_images",
    default=True,
    help="--all=false removes only images that were pushed here (image.managed).",
)
@_boolean(
    "--prune-registry",
    default=False,
    help="Nothing is deleted in registries yet: only false can be asked for.",
)
@click.option(
    "--ignore-invalid-refs",
    is_flag=True,
    help="Go on though workloads name images that cannot be read; else nothing is touched.",
)
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text")
def prune(
    data_dir: Path,
    dry_run: bool,
    confirm: bool,
    why: str | None,
    keep_tag_revisions: int,
    keep_younger_than: str,
    prune_over_size_limit: bool,
    namespace: str | None,
    all_images: bool,
    prune_registry: bool,
    ignore_invalid_refs: bool,
    output: str,
) -> None:
    """Remove history items and images that no tag and no workload uses.

    Kept are the newest revisions of each tag, whatever is young, what pods and workloads name, and
    the images of a manifest list that is kept. Without --confirm nothing is changed. It may run
    beside everything else: what comes to be used meanwhile stays.

    Blobs and manifests in registries are NOT deleted yet: only API objects are removed.
    """
    from tagstream.cli.prune_output import build_output

    if sum((dry_run, confirm, why is not None)) > 1:
        raise click.UsageError("choose one of --dry-run, --confirm and --why")
    if prune_registry:
        raise click.UsageError("--prune-registry: nothing can be deleted in registries yet")
    kept = None if prune_over_size_limit else (keep_tag_revisions, keep_younger_than)
    rules = _rules(kept, namespace, all_images, ignore_invalid_refs)
    digest = _digest(why)
    url = postgres_url(data_dir, os.environ)
    shown = build_output(output, rules)
    sys.exit(asyncio.run(_work(url, rules, shown, confirm, digest)))


def _rules(
    kept: tuple[int, str] | None, namespace: str | None, all_images: bool, ignores: bool
) -> PruneRules:
    """`kept` are revisions and age; None asks for a run over sizes."""
    context = click.get_current_context()
    try:
        where = "" if namespace is None else check_namespace("--namespace", namespace)
        if kept is not None:
            revisions = check_revisions("--keep-tag-revisions", kept[0])
            age = check_age("--keep-younger-than", kept[1])
            return PruneRules(revisions, age, all_images, ignores, where)
    except InvalidInput as error:
        raise click.UsageError(_refusal(error), context) from error
    if any(context.get_parameter_source(name) is not _DEFAULT for name in _KEEP_OPTIONS):
        raise click.UsageError(
            "--prune-over-size-limit cannot be specified with --keep-tag-revisions nor "
            "--keep-younger-than",
            context,
        )
    return rules_over_size_limit(
        namespace=where, all_images=all_images, ignore_invalid_references=ignores
    )


def _refusal(error: InvalidInput) -> str:
    """As the guide's pruner says it, where it says it (D1)."""
    separator = " " if error.reason.startswith("must ") else ": "
    return f"{error.field}{separator}{error.reason}"


def _digest(why: str | None) -> str | None:
    from tagstream.images.digest import is_digest

    if why is not None and not is_digest(why):
        raise click.UsageError(
            f"--why: {why!r} is no digest; write it like sha256: and 64 hex digits",
            click.get_current_context(),
        )
    return why


async def _work(
    url: str, rules: PruneRules, output: Output, confirm: bool, digest: str | None
) -> int:
    from tagstream.pruning.marking import BadReferences
    from tagstream.store.database import Database

    database = await Database.connect(url, name="cli", size=2)
    try:
        if rules.namespace:
            await _warn_of_nothing(database, rules.namespace)
        if confirm:
            await _confirm(database, rules, output)
        else:
            await _look(database, rules, output, digest)
    except BadReferences as error:
        output.refused(error)
        return 1
    finally:
        output.close()
        await database.close()
    return 0


async def _warn_of_nothing(database: Database, namespace: str) -> None:
    """It is no error, but perhaps a slip of the pen."""
    from tagstream.store.streams import list_headers

    async with database.connection() as connection:
        if not await list_headers(connection, namespace, ("", ""), 1):
            click.echo(f"there is no image stream in namespace {namespace}", err=True)


async def _look(database: Database, rules: PruneRules, output: Output, digest: str | None) -> None:
    from datetime import UTC, datetime

    from tagstream.pruning.explaining import explain
    from tagstream.pruning.runs import preview

    async with preview(database, rules, datetime.now(UTC), output.tell) as found:
        output.close()
        if digest is not None:
            output.explained(await explain(found, rules, digest))
        else:
            await output.previewed(found)


async def _confirm(database: Database, rules: PruneRules, output: Output) -> None:
    from datetime import UTC, datetime

    from tagstream.pruning.runs import begin_run, prune, refuse_run
    from tagstream.pruning.sweeping import Sweep
    from tagstream.streams.pull_spec import INTERNAL_REGISTRY

    run = await begin_run(database, rules, datetime.now(UTC))
    assert run is not None
    sweep = Sweep(
        run=run.id,
        actor=getpass.getuser(),
        cause="tagstream prune --confirm",
        rules=rules,
        internal_registry=os.environ.get("TAGSTREAM_INTERNAL_REGISTRY", INTERNAL_REGISTRY),
        tell=output.tell,
        note=output.removed,
    )
    try:
        marked, ended = await prune(database, run, sweep)
    except InvalidInput as error:
        await refuse_run(database, run, datetime.now(UTC), str(error))
        raise
    output.close()
    output.pruned(marked, ended)
