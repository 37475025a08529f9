"""Workloads that follow tags, and a pause of that."""

from __future__ import annotations

from fakes.story import Story, follow, registry_image


async def trigger_paused(story: Story) -> None:
    """Two Deployments follow tags. Triggers are paused, tags move, nothing follows; when they are
    resumed, each catches up with where its tags are by then."""
    story.publish("acme/app:1", "first")
    story.publish("acme/app:2", "second")
    await story.create_stream("app", registry_image("prod", "acme/app:1"), follow("also", "prod"))
    await story.create_stream("side")
    await story.push("side", "1", "sidecar one")
    await story.deploy("web", "app:prod", "side:1")
    await story.services_work()
    await story.deploy("job", "app:also")
    await story.pause_triggers()
    await story.tag("app", registry_image("prod", "acme/app:2"))
    await story.push("side", "1", "sidecar two")
    await story.services_work()
    await story.push("side", "1", "sidecar three")
    await story.services_work()
    await story.resume_triggers()
    await story.services_work()
    await story.push("side", "1", "sidecar four")
    await story.services_work()
