"""Asking a server on this machine whether it is ready, with nothing but a socket.

Owns the three questions (PostgreSQL, NATS, a service's /readyz). Client libraries are not used: the
supervisor lives as long as the stack, and they would double its memory.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tagstream.embedded.failures import SetupError

Probe = Callable[[], Awaitable[bool]]

_PROBE_TIMEOUT_S = 2.0
_PROTOCOL_3_0 = 196608


@dataclass(frozen=True, slots=True)
class NatsGreeting:
    """What a NATS server says of itself before anybody logs in."""

    version: str
    jetstream: bool


async def fetch_postgres_ready(host: str, port: int) -> bool:
    """Whether PostgreSQL takes logins; while it recovers it takes connections and refuses them."""
    parameters = b"user\0tagstream\0database\0postgres\0\0"
    startup = struct.pack("!II", 8 + len(parameters), _PROTOCOL_3_0) + parameters
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(startup)
                return await reader.readexactly(1) == b"R"
            finally:
                writer.close()
    except (OSError, EOFError):
        return False


async def fetch_nats_greeting(host: str, port: int) -> NatsGreeting | None:
    """`None` if nothing that speaks NATS answers within two seconds."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                line = await reader.readline()
            finally:
                writer.close()
        verb, _, body = line.partition(b" ")
        document = json.loads(body) if verb == b"INFO" else {}
    except (OSError, ValueError):
        return None
    if not document:
        return None
    return NatsGreeting(str(document.get("version", "")), document.get("jetstream") is True)


async def fetch_service_ready(host: str, port: int) -> bool:
    """Whether `GET /readyz` answers 200."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                )
                status = await reader.readline()
            finally:
                writer.close()
    except OSError:
        return False
    return status.split(b" ")[1:2] == [b"200"]


async def wait_until_ready(name: str, probe: Probe, timeout_s: float) -> None:
    """Ask until the answer is yes. Raises `SetupError` after `timeout_s`."""
    delay_s = 0.01
    try:
        async with asyncio.timeout(timeout_s):
            while not await probe():
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 1.3, 0.1)
    except TimeoutError as error:
        raise SetupError(f"{name} was not ready after {timeout_s:.0f} s") from error
