"""Which credentials an import uses (spec/image-api-and-import.md §6.5, cases 52-56)."""

from __future__ import annotations

import base64
import json
import traceback

import pytest

from tagstream.errors import InvalidInput
from tagstream.images.reference import parse_image_reference
from tagstream.importer.credentials import (
    DOCKER_CONFIG_JSON_TYPE,
    DOCKER_CONFIG_TYPE,
    EXCLUDE_ANNOTATION,
    PullSecret,
    normalise_key,
    parse_keyring,
)


def _config(*keys: str, password: str = "pw") -> bytes:
    """A docker config in which every key's user is named like the key."""
    return json.dumps({"auths": {k: {"username": k, "password": password} for k in keys}}).encode()


def _secret(*keys: str, name: str = "pull", type: str = DOCKER_CONFIG_JSON_TYPE) -> PullSecret:
    return PullSecret(name, type, {".dockerconfigjson": _config(*keys)})


def _user(
    reference: str,
    *keys: str,
    insecure: bool = False,
    global_pull_secret: bytes | None = None,
) -> str | None:
    keyring = parse_keyring([_secret(*keys)] if keys else [], global_pull_secret)
    found = keyring.find(parse_image_reference(reference), insecure=insecure)
    return found.username if found else None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("quay.io", ("quay.io", "")),
        ("https://quay.io", ("quay.io", "")),
        ("http://quay.io/", ("quay.io", "")),
        ("https://index.docker.io/v1/", ("index.docker.io", "")),
        ("https://r.test:5000/v2/team", ("r.test:5000", "/team")),
        ("r.test/v2team", ("r.test", "/v2team")),
        ("r.test/team/app", ("r.test", "/team/app")),
    ],
)
def test_key_is_cut_to_host_and_path(key: str, expected: tuple[str, str]) -> None:
    assert normalise_key(key) == expected


@pytest.mark.parametrize(
    ("reference", "keys", "user"),
    [
        ("r.test/team/app", ("r.test", "r.test/team", "*.test"), "r.test/team"),
        ("r.test/other/app", ("r.test", "r.test/team", "*.test"), "r.test"),
        ("s.test/team/app", ("r.test", "r.test/team", "*.test"), "*.test"),
        ("a.b.test/app", ("*.test",), None),
        ("quay.io/acme2/x", ("quay.io/acme",), "quay.io/acme"),
        ("quay.io/acme/x:1", ("quay.io/acme/x:2",), None),
        ("quay.io/acme/x", ("quay.io/acme/x:latest",), "quay.io/acme/x:latest"),
        ("r.test:5000/x", ("r.test",), None),
        ("r.test/x", ("r.test:443",), None),
        ("r.test:5000/x", ("https://r.test:5000/v2/",), "https://r.test:5000/v2/"),
        ("r1.test/x", ("r[0-9].test",), "r[0-9].test"),
        ("busybox", ("https://index.docker.io/v1/",), "https://index.docker.io/v1/"),
        ("busybox", ("docker.io", "https://index.docker.io/v1/"), "docker.io"),
        ("busybox", ("docker.io/library",), "docker.io/library"),
        ("quay.io/x", ("https://index.docker.io/v1/",), None),
    ],
)
def test_first_matching_key_in_descending_order_is_used(
    reference: str, keys: tuple[str, ...], user: str | None
) -> None:
    assert _user(reference, *keys) == user


def test_key_with_port_80_fits_only_what_says_so_or_an_insecure_import() -> None:
    assert _user("r.test/app", "r.test:80") is None
    assert _user("r.test:80/app", "r.test:80") == "r.test:80"
    assert _user("r.test/app", "r.test:80", insecure=True) == "r.test:80"
    assert _user("r.test:5000/app", "r.test:80", insecure=True) is None


def test_exact_match_wins_over_port_80_for_an_insecure_import() -> None:
    assert _user("r.test/app", "r.test:80", "r.test", insecure=True) == "r.test"


def test_namespace_secret_wins_over_global_pull_secret() -> None:
    node_wide = _config("r.test", password="node")
    assert _user("r.test/app", global_pull_secret=node_wide) == "r.test"
    keyring = parse_keyring([_secret("r.test")], node_wide)
    found = keyring.find(parse_image_reference("r.test/app"), insecure=False)
    assert found is not None
    assert found.password == "pw"


def test_secrets_with_one_key_are_used_in_list_order() -> None:
    first = PullSecret(
        "a", DOCKER_CONFIG_JSON_TYPE, {".dockerconfigjson": _config("r.test", password="1")}
    )
    second = PullSecret(
        "b", DOCKER_CONFIG_JSON_TYPE, {".dockerconfigjson": _config("r.test", password="2")}
    )
    found = parse_keyring([first, second]).find(parse_image_reference("r.test/x"), insecure=False)
    assert found is not None
    assert found.password == "1"


@pytest.mark.parametrize("type", ["Opaque", "kubernetes.io/podmanconfigjson"])
def test_secrets_of_other_types_are_ignored(type: str) -> None:
    keyring = parse_keyring([_secret("r.test", type=type)])
    assert keyring.find(parse_image_reference("r.test/x"), insecure=False) is None


def test_excluded_secret_is_ignored() -> None:
    data = {".dockerconfigjson": _config("r.test")}
    secret = PullSecret("p", DOCKER_CONFIG_JSON_TYPE, data, {EXCLUDE_ANNOTATION: "true"})
    keyring = parse_keyring([secret])
    assert keyring.find(parse_image_reference("r.test/x"), insecure=False) is None


@pytest.mark.parametrize("padded", [True, False])
def test_dockercfg_is_the_map_itself_and_auth_wins(padded: bool) -> None:
    auth = base64.b64encode(b"bob:s3cret:x").decode()
    auth = auth if padded else auth.rstrip("=")
    entry = {"auth": auth, "username": "other", "password": "other", "email": "x"}
    data = {".dockercfg": json.dumps({"r.test": entry}).encode()}
    keyring = parse_keyring([PullSecret("p", DOCKER_CONFIG_TYPE, data)])
    found = keyring.find(parse_image_reference("r.test/x"), insecure=False)
    assert found is not None
    assert (found.username, found.password) == ("bob", "s3cret:x")


def test_entry_with_identity_token_only_is_skipped() -> None:
    data = {".dockerconfigjson": b'{"auths":{"r.test":{"identitytoken":"t"}},"credHelpers":{}}'}
    keyring = parse_keyring([PullSecret("p", DOCKER_CONFIG_JSON_TYPE, data)])
    assert keyring.find(parse_image_reference("r.test/x"), insecure=False) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"auths": {"r.test": {"password": "hunter2"',
        b'{"auths": {"r.test": {"auth": "hunter2!"}}}',
        b'{"auths": {"r.test": {"auth": "aHVudGVyMg=="}}}',
        b'{"auths": {"r.test": "hunter2"}}',
        b'{"auths": ["hunter2"]}',
    ],
)
def test_broken_secret_fails_without_showing_its_content(body: bytes) -> None:
    secret = PullSecret("pull", DOCKER_CONFIG_JSON_TYPE, {".dockerconfigjson": body})
    with pytest.raises(InvalidInput, match="secret pull") as caught:
        parse_keyring([secret])
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown
    assert caught.value.__context__ is None


def test_passwords_are_not_in_any_repr() -> None:
    secret = PullSecret(
        "p", DOCKER_CONFIG_JSON_TYPE, {".dockerconfigjson": _config("r.test", password="hunter2")}
    )
    keyring = parse_keyring([secret])
    found = keyring.find(parse_image_reference("r.test/x"), insecure=False)
    assert "hunter2" not in repr((secret, keyring, found))


def test_budget_key_does_not_depend_on_the_password() -> None:
    keyrings = [
        parse_keyring([], _config("r.test", password=password)) for password in ("one", "two")
    ]
    found = [k.find(parse_image_reference("r.test/x"), insecure=False) for k in keyrings]
    assert len({credentials.budget_key for credentials in found if credentials}) == 1
