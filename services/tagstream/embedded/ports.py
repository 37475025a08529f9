"""Choosing TCP ports: the same as last time where possible, any free one otherwise.

Owns the choice only; a port is free again the moment it is returned, so whoever binds it next
may still lose the race and must report that.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from tagstream.embedded.failures import SetupError

# Below the ports that systems give to outgoing connections: one of those may come between the
# choice and the bind, seconds later. Where to begin differs from process to process, so that two
# stacks that start together do not choose the same.
_FIRST, _COUNT, _TRIES = 20_000, 12_000, 200
_offsets = itertools.count(os.getpid() * 16)


def choose_ports(preferred: Sequence[int], host: str = "127.0.0.1") -> list[int]:
    """A distinct free port for each entry, that entry itself if it is free; 0 prefers nothing."""
    with ExitStack() as held:
        return [_bind_any(held, host, port) for port in preferred]


def _bind_any(held: ExitStack, host: str, port: int) -> int:
    if not port:
        return _bind_free(held, host)
    try:
        return _bind(held, host, port)
    except OSError:
        return _bind_free(held, host)


def _bind_free(held: ExitStack, host: str) -> int:
    for offset in itertools.islice(_offsets, _TRIES):
        try:
            return _bind(held, host, _FIRST + offset % _COUNT)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind(held, host, 0)


def _bind(held: ExitStack, host: str, port: int) -> int:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = held.enter_context(socket.socket(family, kind, protocol))
    # Without it a port whose last connections are in TIME_WAIT counts as taken.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    bound: int = listener.getsockname()[1]
    return bound


def claim_api_port(host: str, port: int) -> int:
    """`port`, or a free one for 0. Raises `SetupError` if it cannot be bound on `host`."""
    try:
        with ExitStack() as held:
            return _bind(held, host, port) if port else _bind_free(held, host)
    except (socket.gaierror, UnicodeError) as error:
        raise SetupError(
            f"--host {host} is not an address of this machine; try --host 127.0.0.1"
        ) from error
    except OSError as error:
        raise SetupError(_explain(host, port, error)) from error


def _explain(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; name another one with --port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by this user; name one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is not an address of this machine; try --host 127.0.0.1"
    return f"port {port} on {host} cannot be used ({error.strerror}); try --port or --host"
