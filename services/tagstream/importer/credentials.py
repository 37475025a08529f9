"""Which user name and password an import uses.

Owns pull secrets: which are read, what their bodies mean, how their keys match a reference
(spec/image-api-and-import.md §6.5). Pure: loading them, and presenting them to a registry, is done
elsewhere. Passwords never reach a message: errors name the secret and the key only.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fnmatch
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tagstream.errors import InvalidInput
from tagstream.images.reference import ImageReference
from tagstream.registry.credentials import Credentials

DOCKER_CONFIG_TYPE = "kubernetes.io/dockercfg"
DOCKER_CONFIG_JSON_TYPE = "kubernetes.io/dockerconfigjson"
EXCLUDE_ANNOTATION = "openshift.io/image.excludeSecret"

_HUB = "docker.io"
_HUB_LOGIN_KEY = "index.docker.io"
_SCHEME = re.compile(r"https?://")
_NOT_JSON = object()
_VERSION_PATH = re.compile(r"/v[12](?=/|$)")


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A Secret as far as imports read it; `data` is decoded from base64 already."""

    name: str
    type: str
    data: Mapping[str, bytes] = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        """Whether imports read it at all: by type, unless annotated to be left out (§1.11)."""
        is_docker = self.type in (DOCKER_CONFIG_TYPE, DOCKER_CONFIG_JSON_TYPE)
        return is_docker and self.annotations.get(EXCLUDE_ANNOTATION) != "true"

    @property
    def is_mistyped(self) -> bool:
        """Whether it holds registry logins under a type that imports ignore (§0.1): worth a log."""
        holds_logins = ".dockerconfigjson" in self.data or ".dockercfg" in self.data
        return holds_logins and self.type not in (DOCKER_CONFIG_TYPE, DOCKER_CONFIG_JSON_TYPE)


@dataclass(frozen=True, slots=True)
class _Entry:
    host: str
    path: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Keyring:
    """Entries in matching order: the namespace's, then the node-wide ones."""

    namespace_entries: tuple[_Entry, ...] = ()
    global_entries: tuple[_Entry, ...] = ()

    def find(self, reference: ImageReference, *, insecure: bool) -> Credentials | None:
        """The credentials for a reference; None means anonymous.

        An insecure import of a reference without a port is also looked up at port 80, when nothing
        else matched: the guide's procedure needs it (§0.1).
        """
        if not self.namespace_entries and not self.global_entries:
            return None
        full = reference.with_client_defaults()
        path = "/" + "/".join(part for part in (full.namespace, full.name) if part)
        target = f"{path}:{full.tag}"
        found = self._lookup(full.registry, target)
        if found is None and insecure and ":" not in full.registry:
            found = self._lookup(f"{full.registry}:80", target)
        return found

    def _lookup(self, host: str, path: str) -> Credentials | None:
        for entries in (self.namespace_entries, self.global_entries):
            found = _first_match(entries, host, path)
            if found is None and host == _HUB:
                found = _first_match(entries, _HUB_LOGIN_KEY, path)
            if found is not None:
                return found
        return None


def parse_keyring(
    secrets: Iterable[PullSecret], global_pull_secret: bytes | None = None
) -> Keyring:
    """Read all usable secrets of a namespace and the node-wide pull secret file.

    Raises InvalidInput when one of them is broken: guessing an account is worse than failing.
    """
    entries: list[tuple[str, _Entry]] = []
    for secret in secrets:
        if secret.is_usable:
            entries += _parse_secret(secret)
    node_wide = (
        _parse_auths(global_pull_secret, "auths", "the global pull secret")
        if global_pull_secret is not None
        else []
    )
    return Keyring(_in_matching_order(entries), _in_matching_order(node_wide))


def _in_matching_order(entries: Sequence[tuple[str, _Entry]]) -> tuple[_Entry, ...]:
    # The sort is stable, so several secrets with one key stay in list order.
    ordered = sorted(entries, key=lambda item: item[0].encode(), reverse=True)
    return tuple(entry for _, entry in ordered)


def _first_match(entries: Iterable[_Entry], host: str, path: str) -> Credentials | None:
    for entry in entries:
        if path.startswith(entry.path) and _host_matches(entry.host, host):
            return entry.credentials
    return None


def _host_matches(pattern: str, host: str) -> bool:
    pattern_name, _, pattern_port = pattern.partition(":")
    name, _, port = host.partition(":")
    labels, pattern_labels = name.split("."), pattern_name.split(".")
    return (
        pattern_port == port
        and len(labels) == len(pattern_labels)
        and all(map(fnmatch.fnmatchcase, labels, pattern_labels))
    )


def _parse_secret(secret: PullSecret) -> list[tuple[str, _Entry]]:
    where = f"secret {secret.name}"
    if secret.type == DOCKER_CONFIG_TYPE:
        body = secret.data.get(".dockercfg")
        return [] if body is None else _parse_auths(body, None, where)
    body = secret.data.get(".dockerconfigjson")
    return [] if body is None else _parse_auths(body, "auths", where)


def _parse_auths(body: bytes, key: str | None, where: str) -> list[tuple[str, _Entry]]:
    parsed = _load_json(body)
    if parsed is _NOT_JSON:
        raise InvalidInput(where, "is not JSON; create it again with oc create secret")
    auths = parsed.get(key, {}) if key and isinstance(parsed, dict) else parsed
    if auths is None:
        return []
    if not isinstance(auths, dict):
        raise InvalidInput(where, "has no map of registries; create it again with oc create secret")
    parsed_entries = (
        _parse_entry(registry, value, f"{where}, entry {registry}")
        for registry, value in auths.items()
    )
    return [entry for entry in parsed_entries if entry is not None]


def _load_json(body: bytes) -> object:
    # Not raised from within the handler: a decoder's error holds the document, passwords and all.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _parse_entry(registry: str, value: object, where: str) -> tuple[str, _Entry] | None:
    if not isinstance(value, dict):
        raise InvalidInput(where, "is not an object with auth, or with username and password")
    credentials = _parse_login(value, where)
    if credentials is None:
        return None
    host, path = normalise_key(registry)
    return f"{host}{path}", _Entry(host, path, credentials)


def _parse_login(value: Mapping[str, object], where: str) -> Credentials | None:
    auth = value.get("auth")
    if isinstance(auth, str) and auth:
        username, colon, password = _decode_auth(auth, where).partition(":")
        if not colon:
            raise InvalidInput(where, "auth is not base64 of user:password")
        return Credentials(username, password)
    name, secret = value.get("username"), value.get("password")
    if isinstance(name, str) and isinstance(secret, str) and (name or secret):
        return Credentials(name, secret)
    return None


def _decode_auth(auth: str, where: str) -> str:
    compact = "".join(auth.split())
    decoded: str | None = None
    # Raised outside the handler, as for JSON: the decoder's error holds what it could not decode.
    with contextlib.suppress(binascii.Error, ValueError):
        decoded = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode()
    if decoded is None:
        raise InvalidInput(where, "auth is not base64 of user:password")
    return decoded


def normalise_key(registry: str) -> tuple[str, str]:
    """Split a key into host with port, and path; scheme and a leading /v1 or /v2 are dropped.

    `https://index.docker.io/v1/` is `("index.docker.io", "")`.
    """
    rest = _SCHEME.sub("", registry, count=1) if _SCHEME.match(registry) else registry
    host, slash, path = rest.partition("/")
    path = _VERSION_PATH.sub("", slash + path, count=1) if slash else ""
    return host, "" if path == "/" else path
