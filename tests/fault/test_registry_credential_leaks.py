"""Where a password or token may go when registries redirect, challenge oddly or break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.importing import Importing, open_importing, secret
from fakes.misbehaviours import (
    Misbehaviour,
    answer,
    endless,
    fail,
    hang_up,
    redirect,
)
from fakes.registry import FakeRegistry, FakeTokenServer, build_self_signed
from tagstream.registry.client import RegistryClient
from tagstream.registry.credentials import Credentials


@pytest.fixture
async def fake() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as registry:
        registry.add_image("app", "1")
        yield registry


@pytest.fixture
async def importing() -> AsyncIterator[Importing]:
    async with open_importing() as opened:
        yield opened


_MANIFEST = "/v2/app/manifests/1"


async def test_redirect_to_another_host_loses_the_password() -> None:
    async with FakeRegistry(basic={"u": "p"}) as registry, FakeRegistry() as storage:
        registry.add_image("app", "1")
        storage.add_image("app", "1")
        registry.misbehave("/v2/app/blobs/", redirect(f"{storage.url}{{path}}"))
        async with open_importing(secret(**{registry.host: ("u", "p")})) as importing:
            result = await importing.image(f"{registry.host}/app:1")
    assert result.status.ok, result.status
    assert registry.requests[-1].authorization.startswith("Basic ")
    assert [request.authorization for request in storage.requests] == [""]


async def test_redirect_on_the_same_host_keeps_it() -> None:
    async with FakeRegistry(basic={"u": "p"}) as registry:
        registry.add_image("app", "1")
        registry.add_image("moved", "1", seed="app:1")
        registry.misbehave(_MANIFEST, redirect("/v2/moved/manifests/1"))
        async with open_importing(secret(**{registry.host: ("u", "p")})) as importing:
            result = await importing.image(f"{registry.host}/app:1")
    assert result.status.ok, result.status


async def test_host_redirected_to_cannot_ask_for_the_password() -> None:
    async with (
        FakeTokenServer({"u": "p"}) as thief,
        FakeRegistry(token_server=thief) as other,
        FakeRegistry() as registry,
    ):
        registry.misbehave(_MANIFEST, redirect(f"{other.url}{{path}}"))
        async with open_importing(secret(**{registry.host: ("u", "p")})) as importing:
            result = await importing.image(f"{registry.host}/app:1")
    assert result.status.reason == "Unauthorized"
    assert thief.requests == []


async def test_https_registry_may_not_send_us_to_http(tmp_path: Path) -> None:
    tls, certificate = build_self_signed(tmp_path)
    async with FakeRegistry(tls=tls) as registry, FakeRegistry() as plain:
        registry.add_image("app", "1")
        plain.add_image("app", "1")
        registry.misbehave("/v2/app/", redirect(f"{plain.url}{{path}}"))
        async with open_importing(ca_bundle=certificate) as importing:
            secure = await importing.image(f"{registry.host}/app:1", insecure=False)
            assert plain.requests == []
            insecure = await importing.image(f"{registry.host}/app:1")
    assert "redirect from https to http" in secure.status.message
    assert insecure.status.ok


async def test_token_over_plain_http_is_asked_for_only_when_insecure(tmp_path: Path) -> None:
    tls, certificate = build_self_signed(tmp_path)
    async with (
        FakeTokenServer({"u": "p"}) as tokens,
        FakeRegistry(tls=tls, token_server=tokens) as registry,
    ):
        registry.add_image("app", "1")
        login = secret(**{registry.host: ("u", "p")})
        async with open_importing(login, ca_bundle=certificate) as importing:
            secure = await importing.image(f"{registry.host}/app:1", insecure=False)
            assert tokens.requests == []
            insecure = await importing.image(f"{registry.host}/app:1")
    assert "refused to ask for a token over plain http" in secure.status.message
    assert insecure.status.ok


async def test_token_that_expired_meanwhile_is_renewed_once() -> None:
    async with (
        FakeTokenServer({"u": "p"}) as tokens,
        FakeRegistry(token_server=tokens) as registry,
    ):
        digest = registry.add_image("app", "1")
        login = secret(**{registry.host: ("u", "p")})
        async with open_importing(login) as importing:
            client = RegistryClient(
                importing.deps.transport,
                registry.host,
                insecure=True,
                credentials=Credentials("u", "p"),
            )
            await client.get_manifest("app", "1")
            tokens.revoke_all()
            assert (await client.get_manifest("app", "1")).digest == digest
    assert len(tokens.requests) == 2


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="file:///etc/passwd"',
        'Bearer realm=""',
        'Bearer service="x"',
        'Bearer realm="http://["',
        "Negotiate",
        'Digest realm="x", qop="auth"',
        "=,,=,",
    ],
)
async def test_odd_challenges_are_a_refusal(
    fake: FakeRegistry, importing: Importing, challenge: str
) -> None:
    fake.misbehave("/v2/", fail(401, headers={"WWW-Authenticate": challenge}))
    result = await importing.image(f"{fake.host}/app:1")
    assert not result.status.ok
    assert "unknown error" not in result.status.message


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        (answer(b"{}", "application/json"), "did not include a token"),
        (answer(b'{"token": "a\\r\\nHost: x"}', "application/json"), "did not include a token"),
        (answer(b"<html>", "text/html"), "unable to decode token response"),
        (endless(), "larger than the 1048576 bytes"),
        (fail(503), "503 Service Unavailable"),
        (hang_up(), "EOF"),
    ],
)
async def test_broken_token_server_is_an_internal_error(behave: Misbehaviour, text: str) -> None:
    async with (
        FakeTokenServer(public=["app"]) as tokens,
        FakeRegistry(token_server=tokens) as registry,
        open_importing() as importing,
    ):
        registry.misbehave("/token", behave)
        # The realm points at the registry's own port here, so that it can misbehave.
        tokens.port, real = registry.port, tokens.port
        result = await importing.image(f"{registry.host}/app:1")
        tokens.port = real
    assert result.status.reason == "InternalError"
    assert text in result.status.message
