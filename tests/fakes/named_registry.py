"""A small registry with a name of its own, so that what is recorded names no port of a machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from fakes.importing import QUICK
from fakes.registry import FakeRegistry
from tagstream.importer.fetch import FetchDeps
from tagstream.registry.tls import build_tls_contexts
from tagstream.registry.transport import Transport

REGISTRY = "registry.example.com:5000"


class _NamedRegistry(AbstractResolver):
    """Leads every name to one port of this machine."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=self._port(), family=2, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        return None


@asynccontextmanager
async def open_registry() -> AsyncIterator[tuple[FakeRegistry, FetchDeps]]:
    """A registry that is called `REGISTRY`, wherever it listens."""
    async with FakeRegistry() as registry:
        resolver = _NamedRegistry(lambda: registry.port)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield registry, FetchDeps(Transport(session, build_tls_contexts(), QUICK))
