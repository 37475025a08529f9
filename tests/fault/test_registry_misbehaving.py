"""Registries that lie, stall, never end or send us elsewhere: each costs its own image only.

Case numbers are those of spec/image-api-and-import.md §11.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator

import pytest

from fakes.images import OCI_MANIFEST, SCHEMA2, build_image, build_index
from fakes.importing import QUICK, Importing, open_importing
from fakes.misbehaviours import (
    Misbehaviour,
    answer,
    endless,
    fail,
    hang_up,
    redirect,
    slow,
    stall_in_body,
    truncated,
)
from fakes.registry import FakeRegistry
from tagstream.registry.client import RegistryClient
from tagstream.registry.errors import RegistryError
from tagstream.registry.limits import HostConcurrency, Limits
from tagstream.registry.transport import Transport
from tagstream.streams.image_stream import ImportMode


@pytest.fixture
async def fake() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as registry:
        registry.add_image("app", "1")
        yield registry


@pytest.fixture
async def importing() -> AsyncIterator[Importing]:
    async with open_importing() as opened:
        yield opened


def _with_limits(importing: Importing, limits: Limits) -> Transport:
    shared = importing.deps.transport
    return Transport(shared.session, shared.tls, limits)


_MANIFEST = "/v2/app/manifests/1"
# Sooner than any deadline that a test does not set itself, however busy the machine is.
_SOON_S = 10.0
_DENIED = json.dumps({"errors": [{"code": "DENIED", "message": ""}]}).encode()


async def test_refused_connection_reads_like_gos(importing: Importing) -> None:
    insecure, secure = (
        await importing.image("127.0.0.1:9/x/y:1"),
        await importing.image("127.0.0.1:9/x/y:1", insecure=False),
    )
    cause = (
        '127.0.0.1:9/x/y:1: Get "http://127.0.0.1:9/v2/": '
        "dial tcp 127.0.0.1:9: connect: connection refused"
    )
    assert insecure.status.to_v1() == {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {cause}",
        "reason": "InternalError",
        "details": {"causes": [{"message": cause}]},
        "code": 500,
    }
    assert 'Get "https://127.0.0.1:9/v2/": dial tcp' in secure.status.message


async def test_host_without_an_address_reads_like_gos(importing: Importing) -> None:
    result = await importing.image("nosuch.invalid/x:1", insecure=False)
    assert "dial tcp: lookup nosuch.invalid: no such host" in result.status.message


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        (fail(500), "received unexpected HTTP status: 500 Internal Server Error"),
        (fail(403, body=_DENIED), "denied: requested access to the resource is denied"),
        (fail(404, body=b"<html>"), "error parsing HTTP 404 response body: invalid character '<'"),
        (fail(404), "error parsing HTTP 404 response body: unexpected end of JSON input"),
        (answer(b"{", SCHEMA2), "manifest: is not JSON"),
        (answer(b"[]", SCHEMA2), "manifest: must be a JSON object"),
        (answer(b'{"a":' * 5000, OCI_MANIFEST), "is nested deeper"),
        (answer(b"plain text", "text/plain"), "is not JSON"),
        (answer(b" " * (4 * 1024 * 1024 + 1), SCHEMA2), "larger than the 4194304 bytes"),
        (endless(SCHEMA2), "larger than the 4194304 bytes"),
        (endless(status=404), "error parsing HTTP 404 response body"),
        (truncated(SCHEMA2), "unexpected EOF"),
        (hang_up(), "EOF"),
        (redirect("ftp://127.0.0.1/{path}"), "the redirect names no http or https address"),
        (redirect("{path}"), "stopped after 5 redirects"),
    ],
)
async def test_bad_answer_is_that_images_failure_only(
    fake: FakeRegistry, importing: Importing, behave: Misbehaviour, text: str
) -> None:
    fake.add_image("app", "good")
    fake.misbehave(_MANIFEST, behave)
    bad, good = await importing.images(f"{fake.host}/app:1", f"{fake.host}/app:good")
    assert good.status.ok
    assert bad.status.reason == "InternalError"
    assert text in bad.status.message
    assert len(bad.status.message) < 1000


async def test_name_unknown_on_a_manifest_is_an_internal_error(
    fake: FakeRegistry, importing: Importing
) -> None:
    body = json.dumps({"errors": [{"code": "NAME_UNKNOWN", "message": "unknown"}]}).encode()
    fake.misbehave(_MANIFEST, fail(404, body=body))
    result = await importing.image(f"{fake.host}/app:1")
    assert result.status.reason == "InternalError"


async def test_ping_that_is_no_registry_is_named(fake: FakeRegistry, importing: Importing) -> None:
    fake.misbehave("/v2/$", fail(404))
    result = await importing.image(f"{fake.host}/app:1")
    expected = f'endpoint "http://{fake.host}/v2/" does not support v2 API (got 404 Not Found)'
    assert result.status.message.endswith(expected)


async def test_throttled_once_is_tried_again(fake: FakeRegistry, importing: Importing) -> None:
    fake.misbehave(_MANIFEST, fail(429, headers={"Retry-After": "0"}), times=1)
    assert (await importing.image(f"{fake.host}/app:1")).status.ok


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_retries_are_bounded(fake: FakeRegistry, importing: Importing, status: int) -> None:
    fake.misbehave(_MANIFEST, fail(status))
    result = await importing.image(f"{fake.host}/app:1")
    assert result.status.reason == "InternalError"
    assert str(status) in result.status.message
    assert len(fake.paths(_MANIFEST)) == 3


async def test_retry_after_beyond_the_deadline_is_not_waited_for(
    fake: FakeRegistry, importing: Importing
) -> None:
    fake.misbehave(_MANIFEST, fail(429, headers={"Retry-After": "3600"}))
    started = time.monotonic()
    result = await importing.image(f"{fake.host}/app:1")
    assert not result.status.ok
    assert len(fake.paths(_MANIFEST)) == 1
    assert time.monotonic() - started < _SOON_S


async def test_connection_cut_once_is_tried_again(fake: FakeRegistry, importing: Importing) -> None:
    fake.misbehave(_MANIFEST, truncated(), times=1)
    assert (await importing.image(f"{fake.host}/app:1")).status.ok


async def test_manifest_that_is_not_what_the_digest_says(
    fake: FakeRegistry, importing: Importing
) -> None:
    asked, other = build_image("asked"), build_image("other")
    fake.add_built("app", "asked", asked)
    fake.misbehave(f"/v2/app/manifests/{asked.digest}", answer(other.manifest, SCHEMA2))
    result = await importing.image(f"{fake.host}/app@{asked.digest}")
    assert result.status.reason == "InternalError"
    assert result.status.message.endswith(
        f"content integrity error: the manifest retrieved with digest {asked.digest} does not "
        f"match the digest calculated from the content {other.digest}"
    )


async def test_child_that_is_not_what_the_list_says(
    fake: FakeRegistry, importing: Importing
) -> None:
    children = [build_image("a"), build_image("b", platform="linux/arm64")]
    fake.add_built("app", "list", build_index(children))
    fake.misbehave(f"/v2/app/manifests/{children[1].digest}", answer(children[0].manifest, SCHEMA2))
    result = await importing.image(f"{fake.host}/app:list", mode=ImportMode.PRESERVE_ORIGINAL)
    assert "content integrity error" in result.status.message


async def test_config_blob_that_lies_or_is_missing(
    fake: FakeRegistry, importing: Importing
) -> None:
    fake.misbehave("/v2/app/blobs/", answer(b"{}", "application/json"), times=1)
    lies = await importing.image(f"{fake.host}/app:1")
    fake.misbehave("/v2/app/blobs/", fail(404, body=b'{"errors":[{"code":"BLOB_UNKNOWN"}]}'))
    missing = await importing.image(f"{fake.host}/app:1")
    assert "content integrity error: the blob" in lies.status.message
    assert (missing.status.reason, missing.image) == ("InternalError", None)
    assert "blob unknown" in missing.status.message


async def test_artifact_with_an_odd_config_is_no_crash(
    fake: FakeRegistry, importing: Importing
) -> None:
    for index, config in enumerate([b"", b"null", b'"x"', b"\xff", b'{"config": 7}']):
        built = build_image("chart", oci=True)
        odd = json.loads(built.manifest)
        digest = fake.add_manifest("blobs", "", config, "x")
        odd["config"] = {"mediaType": "application/x", "size": len(config), "digest": digest}
        fake.add_manifest("app", f"odd{index}", json.dumps(odd).encode(), OCI_MANIFEST)
        fake.misbehave(f"/v2/app/blobs/{digest}", answer(config, "application/octet-stream"))
        result = await importing.image(f"{fake.host}/app:odd{index}")
        assert result.status.ok or result.status.reason == "InternalError"
        assert "unknown error" not in result.status.message


async def test_ping_without_an_answer_ends_after_its_own_time(fake: FakeRegistry) -> None:
    fake.misbehave("/v2/$", slow(60))
    async with open_importing(limits=Limits(ping_timeout_s=0.3)) as importing:
        started = time.monotonic()
        results = await importing.images(f"{fake.host}/app:1", f"{fake.host}/app:2")
    assert time.monotonic() - started < _SOON_S
    for result in results:
        assert result.status.reason == "InternalError"
        expected = f'Get "http://{fake.host}/v2/": context deadline exceeded'
        assert result.status.message.endswith(expected)
    assert fake.paths("/v2/") == ["/v2/"]


@pytest.mark.parametrize("behave", [slow(60), stall_in_body(SCHEMA2)])
async def test_deadline_ends_slow_images_and_keeps_the_others(
    fake: FakeRegistry, importing: Importing, behave: Misbehaviour
) -> None:
    fake.add_image("app", "good")
    fake.misbehave(_MANIFEST, behave)
    started = time.monotonic()
    bad, good = await importing.images(f"{fake.host}/app:1", f"{fake.host}/app:good", deadline_s=2)
    assert time.monotonic() - started < _SOON_S
    assert good.status.ok
    assert "context deadline exceeded" in bad.status.message
    assert _MANIFEST in bad.status.message


async def test_one_stalling_registry_delays_no_other(fake: FakeRegistry) -> None:
    async with FakeRegistry() as stalling, open_importing() as importing:
        stalling.misbehave("/", slow(60))
        names = [f"{stalling.host}/app:{index}" for index in range(8)]
        slow_one = asyncio.create_task(importing.images(*names, deadline_s=20))
        result = await importing.image(f"{fake.host}/app:1")
        assert not slow_one.done()
        slow_one.cancel()
    assert result.status.ok


async def test_tag_list_without_end_is_cut(fake: FakeRegistry, importing: Importing) -> None:
    fake.misbehave(
        "/v2/app/tags/list",
        _linked('</v2/app/tags/list?last=a>; rel="next"'),
    )
    looping = await importing.repository(f"{fake.host}/app")
    fake.behave()
    fake.misbehave("/v2/app/tags/list", _linked('</v2/other/tags/list>; rel="next"'))
    leaving = await importing.repository(f"{fake.host}/app")
    assert "the tag list of app does not end" in looping.status.message
    assert "which is not in app" in leaving.status.message


def _linked(link: str) -> Misbehaviour:
    return fail(200, headers={"Link": link, "Content-Type": "application/json"}, body=b"{}")


@pytest.mark.parametrize("body", [b"x", b"[1]", b'{"tags": {}}', b'{"tags": [1]}'])
async def test_tag_list_of_another_shape(
    fake: FakeRegistry, importing: Importing, body: bytes
) -> None:
    fake.misbehave("/v2/app/tags/list", answer(body, "application/json"))
    result = await importing.repository(f"{fake.host}/app")
    assert result.images == ()
    assert result.status.ok or "the tag list is not" in result.status.message


async def test_list_too_large_in_all_is_cut(fake: FakeRegistry) -> None:
    fake.add_built("app", "wide", build_index([build_image(f"{i}") for i in range(50)]))
    async with open_importing() as opened:
        deps = opened.deps
        small = type(deps)(deps.transport, clock=deps.clock, max_bytes=20_000)
        result = await Importing(small).image(
            f"{fake.host}/app:wide", mode=ImportMode.PRESERVE_ORIGINAL
        )
    assert "too large together" in result.status.message


async def test_requests_at_once_to_one_host_are_bounded(
    fake: FakeRegistry, importing: Importing
) -> None:
    running, most = 0, 0

    async def count(request: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    fake.misbehave("/v2/app/", count)
    shared = importing.deps.transport
    transport = Transport(shared.session, shared.tls, QUICK, HostConcurrency(per_host=3))
    client = RegistryClient(transport, fake.host, insecure=True)
    await asyncio.gather(*(client.get_manifest("app", "1") for _ in range(20)))
    assert most == 3


async def test_budget_is_asked_before_every_request(
    fake: FakeRegistry, importing: Importing
) -> None:
    asked: list[tuple[str, str]] = []

    class Budget:
        async def acquire(self, host: str, credential_key: str) -> None:
            asked.append((host, credential_key))

    shared = importing.deps.transport
    transport = Transport(shared.session, shared.tls, QUICK, budget=Budget())
    await Importing(type(importing.deps)(transport)).image(f"{fake.host}/app:1")
    # The https attempt, the ping, the manifest and the config.
    assert asked == [(fake.host, "")] * 4


async def test_budget_that_never_comes_ends_at_the_deadline(
    fake: FakeRegistry, importing: Importing
) -> None:
    class Nothing:
        async def acquire(self, host: str, credential_key: str) -> None:
            await asyncio.sleep(60)

    shared = importing.deps.transport
    transport = Transport(shared.session, shared.tls, QUICK, budget=Nothing())
    result = await Importing(type(importing.deps)(transport)).image(
        f"{fake.host}/app:1", deadline_s=0.2
    )
    assert "context deadline exceeded" in result.status.message
    slot = transport.hosts.slot(fake.host)
    assert not slot.locked()


async def test_server_that_is_no_http_at_all(importing: Importing) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await importing.image(f"127.0.0.1:{port}/app:1")
    assert result.status.reason == "InternalError"
    assert "unknown error" not in result.status.message


async def test_connection_reset_is_named(importing: Importing) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.close()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = RegistryClient(_with_limits(importing, QUICK), f"127.0.0.1:{port}", insecure=True)
        with pytest.raises(RegistryError, match=r"connection reset by peer|EOF"):
            await client.ping()
