"""Streams that end and begin again."""

from __future__ import annotations

from fakes.story import Story, follow, registry_image


async def deleted_and_recreated(story: Story) -> None:
    """A stream is deleted while its first import runs, and made again under its name with a tag
    of the same name and generation: what was ordered for the first stream never reaches the
    second. It happens once more, later in a life. A workload follows the name all along."""
    for tag in ("1", "2"):
        story.publish(f"acme/app:{tag}", f"build {tag}")
    await story.deploy("web", "app:prod")
    await story.create_stream("app", registry_image("prod", "acme/app:1"))
    await story.services_work("requested", "ordered")
    await story.delete_stream("app")
    await story.create_stream(
        "app", registry_image("prod", "acme/app:2"), follow("next", "prod"), by="bob"
    )
    await story.services_work("finished")
    await story.services_work()
    await story.tag("app", registry_image("prod", "acme/app:1"))
    await story.services_work("requested", "ordered")
    await story.delete_stream("app", by="bob")
    await story.tag("app", registry_image("prod", "acme/app:1"), by="ann")
    await story.services_work()
