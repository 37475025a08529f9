"""Checking servers that the user names instead of the embedded ones, before they are relied on.

Owns the least versions. Does not own connections: each service makes its own.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from tagstream.embedded.failures import SetupError
from tagstream.embedded.readiness import NatsGreeting, fetch_nats_greeting

LEAST_POSTGRES = 14
# Older releases can lose acknowledged messages when they are killed (Jepsen, NATS 2.12.1).
LEAST_NATS = (2, 12, 3)
_CONNECT_TIMEOUT_S = 5.0


async def fetch_postgres_version(url: str) -> int:
    """`server_version_num`, such as 180006. Raises `SetupError` if the server cannot be used."""
    # Not at the top: the supervisor of an embedded stack never needs the driver.
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)
        try:
            return int(await connection.fetchval("SHOW server_version_num"))
        finally:
            await connection.close(timeout=_CONNECT_TIMEOUT_S)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise SetupError(
            f"PostgreSQL at {hide_password(url)} cannot be used ({reason[0]}); "
            "check TAGSTREAM_POSTGRES_URL and that the server runs"
        ) from error


def check_postgres_version(version: int) -> None:
    """Raises `SetupError` if it is too old; `version` is a `server_version_num`."""
    if version < LEAST_POSTGRES * 10000:
        raise SetupError(
            f"PostgreSQL {version // 10000} is too old; upgrade the server that "
            f"TAGSTREAM_POSTGRES_URL names to {LEAST_POSTGRES} or newer"
        )


async def fetch_nats_server(url: str) -> NatsGreeting:
    """What the first server of `url` that answers says; several are separated by commas.

    Raises `SetupError` if none answers.
    """
    for server in url.split(","):
        host, port = parse_nats_address(server.strip())
        greeting = await fetch_nats_greeting(host, port)
        if greeting is not None:
            return greeting
    raise SetupError(
        f"no NATS server answers at {hide_password(url)}; "
        "check TAGSTREAM_NATS_URL and that the server runs"
    )


def parse_nats_address(url: str) -> tuple[str, int]:
    """Host and port; the port is 4222 unless given. Raises `SetupError` if it is no NATS URL."""
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        port = parts.port or 4222
    except ValueError as error:
        raise SetupError(f"TAGSTREAM_NATS_URL is not a URL ({error})") from error
    if not parts.hostname or parts.scheme not in ("nats", "tls"):
        raise SetupError("TAGSTREAM_NATS_URL must look like nats://user:password@host:4222")
    return parts.hostname, port


def parse_version(text: str) -> tuple[int, ...]:
    """The leading numbers: `2.12.3-beta.1` gives (2, 12, 3)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def check_nats_server(greeting: NatsGreeting) -> None:
    """Raises `SetupError` if it is too old or runs without JetStream."""
    if parse_version(greeting.version) < LEAST_NATS:
        least = ".".join(map(str, LEAST_NATS))
        raise SetupError(
            f"nats-server {greeting.version or '(unknown version)'} is too old; upgrade the server "
            f"that TAGSTREAM_NATS_URL names to {least} or newer"
        )
    if not greeting.jetstream:
        raise SetupError(
            "the NATS server runs without JetStream; start it with -js, "
            "or add a jetstream block to its configuration"
        )


def hide_password(url: str) -> str:
    """The URL (or several, separated by commas) without what follows the user's name."""
    return ",".join(_hide_one(part) for part in url.split(","))


def _hide_one(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    if "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    hidden = f"{user.partition(':')[0]}:***@{host}" if ":" in user else f"***@{host}"
    return SplitResult(parts.scheme, hidden, parts.path, "", "").geturl()
