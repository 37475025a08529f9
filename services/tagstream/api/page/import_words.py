"""Why an import failed, in plain words: what is wrong, and what to do about it. Pure.

Owns the words. The exact reason and message stand in the tag's condition and are shown as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` happened and what `help`s: one sentence each."""

    what: str
    help: str


_UNKNOWN = Explanation(
    "The import failed for a reason that has no name of its own.",
    "Read the registry's answer below, then import the tag again.",
)
_MISSING = Explanation(
    "The registry has no such image.",
    "Check the repository and the tag for typing errors, and whether the image was deleted there.",
)
_LOGIN = Explanation(
    "The registry refused the user name or the password of the pull secret.",
    "Renew the pull secret in this namespace, then import the tag again.",
)
_NO_ACCESS = Explanation(
    "The registry does not let us read this image: it is private, or it does not exist.",
    "Add a pull secret for the registry to this namespace, and check the name of the image.",
)
_BLOCKED = Explanation(
    "The configuration of this cluster blocks the registry.",
    "Use another registry, or have an administrator allow this one.",
)

# The words of Go's HTTP client and of registries, most telling first.
_MESSAGES: tuple[tuple[str, Explanation], ...] = (
    (
        "certificate signed by unknown authority",
        Explanation(
            "The registry's certificate was issued by an authority that is not trusted here.",
            "Have an administrator add the authority, or mark the tag as insecure.",
        ),
    ),
    (
        "certificate has expired",
        Explanation(
            "The registry's certificate has expired.",
            "Whoever runs the registry has to renew it.",
        ),
    ),
    (
        "x509:",
        Explanation(
            "The registry's certificate is not valid for its name.",
            "Use the name that the certificate was issued for, or have it issued anew.",
        ),
    ),
    (
        "server gave http response to https client",
        Explanation(
            "The registry speaks plain HTTP, and HTTPS was expected.",
            "Mark the tag as insecure if that is what you want (oc tag --insecure).",
        ),
    ),
    (
        "no such host",
        Explanation(
            "There is no host of the registry's name.",
            "Check the host in the tag's source for typing errors.",
        ),
    ),
    (
        "connection refused",
        Explanation(
            "Nothing answers at the registry's address.",
            "Check the port, and whether the registry is running.",
        ),
    ),
    (
        "too many requests",
        Explanation(
            "The registry asks for fewer requests: its limit is reached.",
            "Wait, or add a pull secret of an account with a higher limit.",
        ),
    ),
    (
        "context deadline exceeded",
        Explanation(
            "The registry did not answer in time.",
            "It is tried again; if that goes on, check the network between here and there.",
        ),
    ),
    (
        "no route to host",
        Explanation(
            "The registry cannot be reached from here.",
            "Check the network between here and the registry.",
        ),
    ),
    (
        "network is unreachable",
        Explanation(
            "The registry cannot be reached from here.",
            "Check the network between here and the registry.",
        ),
    ),
    (
        "received unexpected http status: 5",
        Explanation(
            "The registry is there, but fails.",
            "Try again later; its operator knows more.",
        ),
    ),
    ("manifest unknown", _MISSING),
    ("requested access to the resource is denied", _NO_ACCESS),
    ("authentication required", _NO_ACCESS),
    (
        "digest",
        Explanation(
            "What the registry sent is not what its digest promises.",
            "Nothing was imported; have the registry checked.",
        ),
    ),
    (
        "eof",
        Explanation(
            "The connection to the registry broke off.",
            "It is tried again; if that goes on, check the network and the registry.",
        ),
    ),
)
_REASONS: dict[str, Callable[[str], Explanation]] = {
    "NotFound": lambda message: _MISSING,
    "Forbidden": lambda message: _BLOCKED if "blocked" in message else _NO_ACCESS,
    "Unauthorized": lambda message: _LOGIN if "password" in message else _NO_ACCESS,
}


def explain_failure(reason: str, message: str) -> Explanation:
    """The words for a condition's reason and message, whoever wrote them."""
    said = message.lower()
    by_reason = _REASONS.get(reason)
    if by_reason is not None:
        return by_reason(said)
    for words, explanation in _MESSAGES:
        if words in said:
            return explanation
    return _UNKNOWN
