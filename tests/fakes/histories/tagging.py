"""Many hands on one stream, and tags that follow tags."""

from __future__ import annotations

import asyncio

from fakes.story import Story, follow, pin, registry_image
from fakes.streams import digest


async def concurrent_taggers(story: Story) -> None:
    """Five people and a build move tags of one stream at the same time, in transactions that
    really wait for each other; twice they meet at one tag."""
    await story.create_stream("app")
    for build in ("one", "two", "three"):
        await story.push("app", "build", build)
    await asyncio.gather(
        *(
            story.tag("app", pin(tag, f"app@{digest(build)}"), by=who)
            for who, tag, build in (
                ("ann", "prod", "one"),
                ("bob", "prod", "two"),
                ("cid", "test", "two"),
                ("dee", "prod", "three"),
                ("eve", "edge", "three"),
            )
        ),
        story.push("app", "build", "four"),
    )
    await asyncio.gather(
        story.tag("app", pin("prod", f"app@{digest('four')}"), by="ann"),
        story.tag("app", pin("test", f"app@{digest('four')}"), by="bob"),
        story.untag("app", "edge", by="eve"),
        story.tag("app", follow("latest", "build"), by="dee"),
        story.push("app", "build", "five"),
    )


async def alias_chain(story: Story) -> None:
    """`latest` is imported, `stable` follows it, `prod` follows `stable`, and `blue` follows
    `prod`: one import moves all four. A tag of another stream that names one of them does not."""
    story.publish("acme/app:1", "first")
    story.publish("acme/app:2", "second")
    await story.create_stream(
        "app",
        follow("prod", "stable"),
        follow("stable", "latest"),
        registry_image("latest", "acme/app:1"),
        follow("blue", "prod"),
    )
    await story.services_work()
    await story.create_stream("other", follow("copy", "app:prod"))
    await story.tag("app", registry_image("latest", "acme/app:2"))
    await story.services_work()
    await story.untag("app", "stable")
    await story.push("app", "side", "third")
    await story.tag("app", follow("stable", "side"))
    await story.push("app", "side", "fourth")
    await story.look_up_locally("app")
