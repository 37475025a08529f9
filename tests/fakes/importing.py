"""Builders for tests that import: an importer's dependencies with short waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from tagstream.importer.credentials import DOCKER_CONFIG_JSON_TYPE, PullSecret
from tagstream.importer.fetch import FetchDeps, PullPlan, fetch, pull_from_source
from tagstream.registry.limits import Limits
from tagstream.registry.tls import build_tls_contexts
from tagstream.registry.transport import Transport, build_session
from tagstream.streams.image_stream import ImportMode
from tagstream.streams.import_request import (
    ImageImportResult,
    ImageImportSpec,
    ImportRequest,
    RepositoryImportResult,
    RepositoryImportSpec,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUICK = Limits(network_retry_s=0.01, server_retry_s=0.01, throttled_retry_s=0.01)

__all__ = ["NOW", "QUICK", "Importing", "PullPlan", "open_importing", "pull_from_source", "secret"]


def secret(**logins: tuple[str, str]) -> PullSecret:
    """A pull secret; build the map with `secret(**{"127.0.0.1:5000": ("user", "password")})`."""
    entries = ",".join(
        f'"{key}": {{"username": "{user}", "password": "{password}"}}'
        for key, (user, password) in logins.items()
    )
    body = f'{{"auths": {{{entries}}}}}'.encode()
    return PullSecret("pull", DOCKER_CONFIG_JSON_TYPE, {".dockerconfigjson": body})


class Importing:
    """Imports with one set of dependencies; insecure unless said otherwise, fakes speak http."""

    def __init__(self, deps: FetchDeps) -> None:
        self.deps = deps

    async def images(
        self,
        *names: str,
        insecure: bool = True,
        mode: ImportMode = ImportMode.LEGACY,
        deadline_s: float = 20.0,
        prefer_arch: str = "",
    ) -> Sequence[ImageImportResult]:
        specs = tuple(
            ImageImportSpec(name, "t", insecure, mode, prefer_arch=prefer_arch) for name in names
        )
        request = ImportRequest("ns", "app", specs, deadline_s=deadline_s)
        return (await fetch(request, self.deps)).images

    async def image(
        self,
        name: str,
        *,
        insecure: bool = True,
        mode: ImportMode = ImportMode.LEGACY,
        deadline_s: float = 20.0,
        prefer_arch: str = "",
    ) -> ImageImportResult:
        results = await self.images(
            name, insecure=insecure, mode=mode, deadline_s=deadline_s, prefer_arch=prefer_arch
        )
        return results[0]

    async def repository(
        self, name: str, *, images: Sequence[str] = (), max_tags: int = 50
    ) -> RepositoryImportResult:
        request = ImportRequest(
            "ns",
            "app",
            tuple(ImageImportSpec(image, "t", True) for image in images),
            RepositoryImportSpec(name, insecure=True),
            max_tags=max_tags,
        )
        result = (await fetch(request, self.deps)).repository
        assert result is not None
        return result


@asynccontextmanager
async def open_importing(
    *secrets: PullSecret,
    global_pull_secret: bytes | None = None,
    ca_bundle: Path | None = None,
    limits: Limits = QUICK,
    plan_pull: object = None,
) -> AsyncIterator[Importing]:
    """Dependencies with a session of their own, closed at the end."""
    async with build_session() as session:
        transport = Transport(session, build_tls_contexts(ca_bundle), limits)
        plan = plan_pull if callable(plan_pull) else pull_from_source
        yield Importing(
            FetchDeps(
                transport,
                secrets=secrets,
                global_pull_secret=global_pull_secret,
                plan_pull=plan,
                clock=lambda: NOW,
            )
        )
