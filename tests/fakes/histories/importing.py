"""Registries that change their mind, and imports that come late or twice."""

from __future__ import annotations

from fakes.story import Story, registry_image


async def flapping_registry(story: Story) -> None:
    """A scheduled tag at a registry that has now this build and now that, nothing for a while, and
    in the end the first one again."""
    blue = story.publish("acme/app:1", "blue")
    await story.create_stream("app", registry_image("1", "acme/app:1", scheduled=True))
    await story.services_work()
    for build in ("green", "blue", "", "green", "blue"):
        if build:
            story.publish("acme/app:1", build)
        else:
            story.withdraw("acme/app:1", blue)
        assert await story.schedule_is_due("app")
        await story.services_work()
    assert await story.schedule_is_due("app")
    await story.services_work()


async def import_after_deletion(story: Story) -> None:
    """Two tags are ordered in one import. While it runs one of them is deleted, and another is
    made to mean something else: what the import found counts for neither."""
    for tag in ("1", "2", "3"):
        story.publish(f"acme/app:{tag}", f"build {tag}")
    await story.create_stream(
        "app",
        registry_image("gone", "acme/app:1"),
        registry_image("moved", "acme/app:1"),
        registry_image("kept", "acme/app:2"),
    )
    await story.services_work("requested", "ordered")
    await story.untag("app", "gone")
    await story.tag("app", registry_image("moved", "acme/app:3"))
    await story.services_work("finished")
    await story.services_work()


async def same_digest_again(story: Story) -> None:
    """The same image comes by the tag's own import, by `oc import-image`, by the schedule, and
    under another name; only the last is news, and a new build after all that is, too."""
    story.publish("acme/app:1", "only")
    await story.create_stream("app", registry_image("1", "acme/app:1", scheduled=True))
    await story.services_work()
    await story.import_now("app", "1", "acme/app:1")
    await story.services_work()
    await story.schedule_is_due("app")
    await story.services_work()
    story.publish("mirror/app:1", "only")
    await story.tag("app", registry_image("1", "mirror/app:1", scheduled=True))
    await story.services_work()
    story.publish("mirror/app:1", "news")
    await story.schedule_is_due("app")
    await story.services_work()
    await story.import_now("app", "2", "mirror/app:1")
    await story.services_work()
