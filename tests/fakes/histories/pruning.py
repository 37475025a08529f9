"""The pruner at work beside people."""

from __future__ import annotations

from datetime import timedelta

from fakes.story import Story, pin
from fakes.streams import digest
from tagstream.pruning.rules import PruneRules

RULES = PruneRules(keep_tag_revisions=2, keep_younger_than=timedelta(0))


async def prune_beside_tagging(story: Story) -> None:
    """Histories are cut to two revisions. While the pruner works a build is pushed, an old build
    that was about to go is tagged, which saves it, and a tag is deleted. A second run, with
    nobody beside it, removes what that left."""
    await story.create_stream("app")
    await story.create_stream("lib")
    for number in range(1, 4):
        await story.push("app", "build", f"app {number}")
        await story.push("lib", "build", f"lib {number}")
    await story.tag("app", pin("gone", f"app@{digest('app 2')}"))
    await story.prune(
        RULES,
        lambda: story.push("app", "build", "app 4"),
        lambda: story.push("lib", "saved", "lib 1"),
        lambda: story.untag("app", "gone"),
    )
    await story.push("lib", "build", "lib 4")
    await story.prune(RULES)
