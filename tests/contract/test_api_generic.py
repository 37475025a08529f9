"""The generic REST engine against a real Postgres, through its ASGI application."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from fakes.postgres import PostgresServer
from tagstream.api.documents.documents import Documents
from tagstream.api.engine.applying import merge_applied
from tagstream.api.engine.context import User
from tagstream.api.engine.routing import Registry
from tagstream.api.kinds.core import register_generic_kinds
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.server.app import App, build_app
from tagstream.api.server.ports import Headers
from tagstream.api.watch.hub import JournalHub
from tagstream.store.database import Database
from tagstream.store.migrate import migrate
from tagstream.store.sealing import AesGcmSealer

NS = "/api/v1/namespaces"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf,application/json"


class Everybody:
    """Knows a caller by `x-user`; may do all except in the namespace `closed`."""

    async def authenticate(self, scope: Any, headers: Headers) -> User | None:
        name = headers.get(b"x-user")
        return User(name) if name else None

    async def allowed(
        self,
        user: User,
        verb: str,
        group: str,
        resource: str,
        subresource: str,
        namespace: str,
        name: str,
    ) -> tuple[bool, str]:
        return namespace != "closed", ""


class Reply:
    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.done = asyncio.Event()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[Any]:
        return [orjson.loads(line) for line in self.body.splitlines()]

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Client:
    """Speaks ASGI to the application, without a socket."""

    def __init__(self, app: App, database: Database) -> None:
        self.app = app
        self.database = database

    async def send(
        self,
        method: str,
        path: str,
        body: Any = b"",
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
        user: str = "ann",
    ) -> Reply:
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = [
            (b"accept", accept.encode()),
            (b"content-type", content_type.encode()),
            (b"x-user", user.encode()),
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        reply, asked = Reply(), False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked and method != "GET":
                asked = True
                return {"type": "http.request", "body": data, "more_body": False}
            await reply.done.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status, reply.headers = message["status"], message["headers"]
            else:
                reply.body += message["body"]

        await self.app(scope, receive, send)
        reply.done.set()
        return reply

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Reply:
        return await self.send("POST", path, body, **more)

    async def patch(self, path: str, body: Any, kind: str = "merge-patch") -> Reply:
        return await self.send("PATCH", path, body, content_type=f"application/{kind}+json")

    async def make_namespace(self, name: str) -> None:
        assert (await self.post(NS, {"metadata": {"name": name}})).status == 201


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(Path(tmp_path_factory.mktemp("postgres")))
    yield server
    server.stop()


@asynccontextmanager
async def opened(url: str, *, applies: bool = False) -> AsyncIterator[Client]:
    database = await Database.connect(url, name="test")
    hub = JournalHub(database, {})
    registry = Registry()
    register_generic_kinds(registry, database, AesGcmSealer([b"k" * 32]))
    everybody, schemas = Everybody(), Schemas()
    documents = Documents(lambda: registry.kinds, schemas)
    app = build_app(
        registry,
        everybody,
        everybody,
        hub,
        schemas,
        documents,
        lambda: datetime.now(UTC),
        apply=merge_applied if applies else None,
    )
    running = asyncio.create_task(hub.run())
    client = Client(app, database)
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()


@pytest.fixture
async def client(postgres: PostgresServer) -> AsyncIterator[Client]:
    url = await postgres.create_database()
    await migrate(url)
    async with opened(url) as made:
        await made.make_namespace("shop")
        yield made


def deployment(name: str = "web", image: str = "placeholder:1") -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"


async def test_a_deployment_gets_the_defaults_that_the_recording_shows(client: Client) -> None:
    reply = await client.post(DEPLOYMENTS, deployment())
    assert reply.status == 201
    made = reply.json
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {}
    spec = made["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["template"] == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "placeholder:1",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    }
    assert (await client.get(f"{DEPLOYMENTS}/web")).json == made


async def test_a_changed_spec_counts_a_generation_and_an_equal_one_writes_nothing(
    client: Client,
) -> None:
    first = (await client.post(DEPLOYMENTS, deployment())).json
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "b:2"}]}}}}
    second = await client.patch(f"{DEPLOYMENTS}/web", image, "strategic-merge-patch")
    assert second.status == 200
    assert second.json["metadata"]["generation"] == 2
    assert second.json["spec"]["template"]["spec"]["containers"][0]["image"] == "b:2"
    assert int(second.json["metadata"]["resourceVersion"]) > int(
        first["metadata"]["resourceVersion"]
    )
    again = await client.patch(f"{DEPLOYMENTS}/web", image, "strategic-merge-patch")
    assert again.json == second.json


async def test_a_stale_version_is_a_conflict_and_no_version_is_unconditional(
    client: Client,
) -> None:
    made = (await client.post(DEPLOYMENTS, deployment())).json
    await client.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}})
    stale = await client.send("PUT", f"{DEPLOYMENTS}/web", made)
    assert stale.status == 409
    assert stale.json["message"] == (
        'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    del made["metadata"]["resourceVersion"]
    assert (await client.send("PUT", f"{DEPLOYMENTS}/web", made)).json["spec"]["replicas"] == 1


async def test_status_changes_only_through_its_subresource(client: Client) -> None:
    await client.post(DEPLOYMENTS, deployment())
    both = {"spec": {"replicas": 5}, "status": {"readyReplicas": 3}}
    plain = (await client.patch(f"{DEPLOYMENTS}/web", both)).json
    assert (plain["spec"]["replicas"], plain["status"]) == (5, {})
    both["spec"]["replicas"] = 7
    status = (await client.patch(f"{DEPLOYMENTS}/web/status", both)).json
    assert (status["spec"]["replicas"], status["status"]) == (5, {"readyReplicas": 3})
    assert status["metadata"]["generation"] == plain["metadata"]["generation"]


async def test_a_workload_is_scaled_through_its_scale(client: Client) -> None:
    await client.post(DEPLOYMENTS, deployment())
    scale = (await client.get(f"{DEPLOYMENTS}/web/scale")).json
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 1},
        "app=web",
    )
    scale["spec"]["replicas"] = 3
    assert (await client.send("PUT", f"{DEPLOYMENTS}/web/scale", scale)).json["spec"] == {
        "replicas": 3
    }
    stale = await client.send("PUT", f"{DEPLOYMENTS}/web/scale", scale)
    assert stale.status == 409
    patched = await client.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}})
    assert patched.status == 422
    assert (await client.get(f"{DEPLOYMENTS}/web")).json["spec"]["replicas"] == 3


async def test_every_refusal_is_a_status_with_the_text_of_kubernetes(client: Client) -> None:
    missing = await client.post(f"{NS}/nowhere/configmaps", {"metadata": {"name": "x"}})
    assert (missing.status, missing.json["message"]) == (404, 'namespaces "nowhere" not found')
    mismatch = await client.post(
        f"{NS}/shop/configmaps", {"metadata": {"name": "x", "namespace": "other"}}
    )
    assert mismatch.status == 400
    unknown = await client.get(f"{NS}/shop/nothings")
    assert unknown.json["message"] == "the server could not find the requested resource"
    wrong = deployment()
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    wrong["spec"]["template"]["spec"]["containers"][0]["name"] = ""
    refused = (await client.post(DEPLOYMENTS, wrong)).json
    assert refused["code"] == 422
    assert refused["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: {"app":"other"}: `selector` does not match template '
            "`labels`",
            "field": "spec.template.metadata.labels",
        },
        {
            "reason": "FieldValueRequired",
            "message": "Required value",
            "field": "spec.template.spec.containers[0].name",
        },
    ]
    bad_type = deployment() | {"spec": {"replicas": "two"}}
    assert (await client.post(DEPLOYMENTS, bad_type)).status == 400
    patch = await client.send(
        "PATCH", f"{DEPLOYMENTS}/web", {"a": 1}, content_type="application/apply-patch+yaml"
    )
    assert patch.status == 415
    nul = await client.post(
        f"{NS}/shop/configmaps", {"metadata": {"name": "x"}, "data": {"a": "\0"}}
    )
    assert nul.status == 400
    large = await client.post(f"{NS}/shop/configmaps", b" " * (3 * 1024 * 1024 + 1))
    assert (large.status, large.json["reason"]) == (413, "RequestEntityTooLarge")


async def test_an_unknown_caller_gets_401_and_an_unbound_one_403(client: Client) -> None:
    nobody = await client.get("/api/v1/pods", user="")
    assert (nobody.status, nobody.json["message"]) == (401, "Unauthorized")
    assert (await client.get("/healthz", user="")).body == b"ok"
    refused = await client.get(f"{NS}/closed/pods/x")
    assert refused.status == 403
    assert refused.json["message"] == (
        'pods "x" is forbidden: User "ann" cannot get resource "pods" in API group "" '
        'in the namespace "closed"'
    )


async def test_unknown_fields_warn_or_are_refused_and_are_never_kept(client: Client) -> None:
    body = {"metadata": {"name": "x"}, "dtaa": {"a": "b"}}
    strict = await client.post(f"{NS}/shop/configmaps?fieldValidation=Strict", body)
    assert strict.status == 400
    assert 'strict decoding error: unknown field "dtaa"' in strict.json["message"]
    warned = await client.post(f"{NS}/shop/configmaps?fieldValidation=Warn", body)
    assert warned.header(b"warning") == [b'299 - "unknown field \\"dtaa\\""']
    assert "dtaa" not in warned.json


async def test_a_generated_name_has_five_letters_and_a_dry_run_keeps_nothing(
    client: Client,
) -> None:
    path = f"{NS}/shop/configmaps"
    made = (await client.post(path, {"metadata": {"generateName": "gen-"}})).json
    assert len(made["metadata"]["name"]) == len("gen-") + 5
    dry = await client.post(f"{path}?dryRun=All", {"metadata": {"name": "dry"}})
    assert dry.status == 201
    assert "resourceVersion" not in dry.json["metadata"]
    assert (await client.get(f"{path}/dry")).status == 404
    assert (await client.post(f"{path}?dryRun=some", {"metadata": {"name": "x"}})).status == 422


async def test_a_list_pages_filters_and_keeps_the_first_pages_version(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    for number in range(5):
        labels = {"even": str(number % 2 == 0).lower(), "n": str(number)}
        await client.post(path, {"metadata": {"name": f"c{number}", "labels": labels}})
    first = (await client.get(f"{path}?limit=2")).json
    assert [item["metadata"]["name"] for item in first["items"]] == ["c0", "c1"]
    assert "kind" not in first["items"][0]
    await client.post(path, {"metadata": {"name": "later"}})
    token = first["metadata"]["continue"]
    second = (await client.get(f"{path}?limit=3&continue={token}")).json
    assert [item["metadata"]["name"] for item in second["items"]] == ["c2", "c3", "c4"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    even = (await client.get(f"{path}?labelSelector=even%3Dtrue,n%20notin%20(4)&limit=1")).json
    assert [item["metadata"]["name"] for item in even["items"]] == ["c0"]
    one = (await client.get(f"{path}?fieldSelector=metadata.name%3Dc3")).json
    assert [item["metadata"]["name"] for item in one["items"]] == ["c3"]
    assert (await client.get(f"{path}?fieldSelector=spec.x%3Dc3")).status == 400
    assert (await client.get(f"{path}?continue=nonsense")).status == 400


async def test_tables_have_kubectls_columns(client: Client) -> None:
    await client.post(DEPLOYMENTS, deployment())
    table = (await client.get(DEPLOYMENTS, accept=TABLE)).json
    assert table["kind"] == "Table"
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names[:5] == ["Name", "Ready", "Up-to-date", "Available", "Age"]
    (row,) = table["rows"]
    assert row["cells"][0:4] == ["web", "0/1", 0, 0]
    assert row["cells"][5:] == ["web", "placeholder:1", "app=web"]
    assert row["object"]["kind"] == "PartialObjectMetadata"


async def test_namespaces_travel_as_protobuf(client: Client) -> None:
    shown = await client.get(f"{NS}/shop", accept=PROTOBUF)
    assert shown.header(b"content-type") == [b"application/vnd.kubernetes.protobuf"]
    assert shown.body.startswith(b"k8s\0")
    sent = await client.send(
        "PUT", f"{NS}/shop", shown.body, content_type="application/vnd.kubernetes.protobuf"
    )
    assert sent.status == 200
    missing = await client.get(f"{NS}/none", accept=PROTOBUF)
    assert missing.body.startswith(b"k8s\0")


async def test_a_namespace_stays_terminating_until_it_is_finalized(client: Client) -> None:
    deleted = (await client.send("DELETE", f"{NS}/shop")).json
    assert deleted["status"]["phase"] == "Terminating"
    assert deleted["metadata"]["deletionTimestamp"]
    refused = await client.post(f"{NS}/shop/configmaps", {"metadata": {"name": "x"}})
    assert refused.status == 403
    assert "because it is being terminated" in refused.json["message"]
    deleted["spec"]["finalizers"] = []
    assert (await client.send("PUT", f"{NS}/shop/finalize", deleted)).status == 200
    assert (await client.get(f"{NS}/shop")).status == 404
    kept = await client.send("DELETE", f"{NS}/default")
    assert kept.status == 404


async def test_finalizers_hold_a_deleted_object_until_they_are_gone(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "x", "finalizers": ["example.com/hold"]}})
    held = await client.send("DELETE", f"{path}/x")
    assert held.json["metadata"]["deletionTimestamp"]
    more = await client.patch(f"{path}/x", {"metadata": {"finalizers": ["example.com/b"]}})
    assert more.status == 422
    freed = await client.patch(f"{path}/x", {"metadata": {"finalizers": None}})
    assert freed.status == 200
    assert (await client.get(f"{path}/x")).status == 404


async def test_deletion_checks_its_preconditions_and_answers_a_status(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    made = (await client.post(path, {"metadata": {"name": "x"}})).json
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
    assert (await client.send("DELETE", f"{path}/x", options)).status == 409
    done = (await client.send("DELETE", f"{path}/x")).json
    assert done["status"] == "Success"
    assert done["details"] == {
        "name": "x",
        "kind": "configmaps",
        "uid": made["metadata"]["uid"],
    }


async def test_a_collection_is_deleted_by_selector(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    for name in ("a", "b", "c"):
        labels = {"go": "yes" if name != "c" else "no"}
        await client.post(path, {"metadata": {"name": name, "labels": labels}})
    gone = (await client.send("DELETE", f"{path}?labelSelector=go%3Dyes")).json
    assert gone["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    left = (await client.get(path)).json["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


async def test_a_secrets_values_lie_sealed_and_never_in_the_journal(client: Client) -> None:
    path = f"{NS}/shop/secrets"
    made = await client.post(
        path, {"metadata": {"name": "pull"}, "stringData": {"password": "hunter22"}}
    )
    value = base64.b64encode(b"hunter22").decode()
    assert made.json["data"] == {"password": value}
    assert (await client.get(f"{path}/pull")).json["data"] == {"password": value}
    async with client.database.connection() as connection:
        for table in ("changes", "commands", "resources"):
            rows = await connection.fetch(f"SELECT * FROM {table}")
            text = repr([tuple(row.values()) for row in rows])
            assert value not in text
            assert "hunter22" not in text
    bad = await client.post(
        path, {"metadata": {"name": "d"}, "type": "kubernetes.io/dockerconfigjson"}
    )
    assert bad.json["details"]["causes"][0]["field"] == "data[.dockerconfigjson]"


async def watch(client: Client, path: str, seconds: int = 1, **more: Any) -> Reply:
    separator = "&" if "?" in path else "?"
    return await client.get(f"{path}{separator}watch=true&timeoutSeconds={seconds}", **more)


async def test_a_watch_shows_every_later_change_once_and_a_bookmark_at_its_end(
    client: Client,
) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "old"}})
    version = (await client.get(path)).json["metadata"]["resourceVersion"]
    watching = asyncio.create_task(
        watch(client, f"{path}?resourceVersion={version}&allowWatchBookmarks=true")
    )
    await asyncio.sleep(0.1)
    await client.post(path, {"metadata": {"name": "new"}})
    await client.patch(f"{path}/new", {"data": {"a": "b"}})
    await client.send("DELETE", f"{path}/new")
    events = (await watching).events
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    assert events[-1]["object"]["kind"] == "ConfigMap"
    assert int(events[-1]["object"]["metadata"]["resourceVersion"]) >= int(
        events[2]["object"]["metadata"]["resourceVersion"]
    )


async def test_a_watch_without_a_version_begins_with_what_there_is(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "a"}})
    events = (await watch(client, path, accept=TABLE)).events
    assert [event["type"] for event in events] == ["ADDED"]
    assert events[0]["object"]["kind"] == "Table"
    assert events[0]["object"]["columnDefinitions"]


async def test_objects_that_begin_or_cease_to_match_come_and_go(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "a", "labels": {"on": "no"}}})
    await client.post(path, {"metadata": {"name": "b", "labels": {"on": "yes"}}})
    version = (await client.get(path)).json["metadata"]["resourceVersion"]
    watching = asyncio.create_task(
        watch(client, f"{path}?labelSelector=on%3Dyes&resourceVersion={version}")
    )
    await asyncio.sleep(0.2)
    for name, labels in (("a", "yes"), ("b", "no"), ("b", "never"), ("a", "yes")):
        await client.patch(f"{path}/{name}", {"metadata": {"labels": {"on": labels}}})
    await client.patch(f"{path}/a", {"data": {"k": "v"}})
    shown = [(e["type"], e["object"]["metadata"]["name"]) for e in (await watching).events]
    assert shown == [("ADDED", "a"), ("DELETED", "b"), ("MODIFIED", "a")]


async def test_a_watch_of_secrets_shows_their_values(client: Client) -> None:
    path = f"{NS}/shop/secrets"
    version = (await client.get(path)).json["metadata"]["resourceVersion"]
    watching = asyncio.create_task(watch(client, f"{path}?resourceVersion={version}"))
    await asyncio.sleep(0.1)
    await client.post(path, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    (event,) = (await watching).events
    assert event["object"]["data"] == {"a": "Yg=="}
    assert "sealed" not in event["object"]


async def test_what_is_wrong_with_a_watch_is_told(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "a"}})
    async with client.database.connection() as connection:
        await connection.execute("DELETE FROM changes WHERE position < 3")
    old = await watch(client, f"{path}?resourceVersion=1")
    (error,) = old.events
    assert (old.status, error["type"]) == (200, "ERROR")
    assert error["object"]["reason"] == "Expired"
    assert error["object"]["message"].startswith("too old resource version: 1 (")
    initial = await client.get(f"{path}?watch=true&sendInitialEvents=true")
    assert initial.status == 422
    assert (await watch(client, f"{path}?resourceVersion=x")).status == 400


async def test_events_are_one_store_with_two_faces(client: Client) -> None:
    about = {"kind": "Pod", "name": "p", "namespace": "shop"}
    made = await client.post(
        f"{NS}/shop/events",
        {"metadata": {"name": "e"}, "involvedObject": about, "message": "hello", "reason": "Why"},
    )
    assert made.status == 201
    path = "/apis/events.k8s.io/v1/namespaces/shop/events"
    other = (await client.get(f"{path}?fieldSelector=regarding.name%3Dp")).json["items"]
    assert [item["note"] for item in other] == ["hello"]


async def test_a_pause_emits_its_facts_in_the_same_transaction(client: Client) -> None:
    path = "/apis/tagstream.dev/v1alpha1/triggerpauses"
    body = {"metadata": {"name": "namespace.shop"}, "spec": {"reason": "bad push"}}
    assert (await client.post(path, body)).status == 201
    assert (await client.post(path, {"metadata": {"name": "shop"}})).status == 422
    await client.send("DELETE", f"{path}/namespace.shop")
    async with client.database.connection() as connection:
        rows = await connection.fetch("SELECT type, data FROM facts ORDER BY position")
    assert [row["type"] for row in rows] == [
        "dev.tagstream.triggers.paused.v1",
        "dev.tagstream.triggers.resumed.v1",
    ]
    assert rows[0]["data"]["namespace"] == "shop"


async def test_racing_unconditional_patches_all_land(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "x"}})
    replies = await asyncio.gather(
        *(client.patch(f"{path}/x", {"data": {f"k{n}": "v"}}) for n in range(16))
    )
    assert {reply.status for reply in replies} == {200}
    assert len((await client.get(f"{path}/x")).json["data"]) == 16
    assert len({reply.json["metadata"]["resourceVersion"] for reply in replies}) == 16


async def test_an_apply_creates_what_is_missing_and_merges_into_what_is_there(
    postgres: PostgresServer,
) -> None:
    url = await postgres.create_database()
    await migrate(url)
    async with opened(url, applies=True) as client:
        await client.make_namespace("shop")
        path = f"{NS}/shop/configmaps/x?fieldManager=me&force=false"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
        kind = "application/apply-patch+yaml"
        for data, status in (({"a": "1"}, 201), ({"b": "2"}, 200)):
            reply = await client.send("PATCH", path, {**body, "data": data}, content_type=kind)
            assert reply.status == status
        assert reply.json["data"] == {"a": "1", "b": "2"}
        nobody = await client.send("PATCH", f"{NS}/shop/configmaps/x", body, content_type=kind)
        assert nobody.status == 422
