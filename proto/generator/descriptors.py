"""Reads the .proto files into plain values: messages, fields, comments, event types.

Knows protobuf; does not know JSON Schema, AsyncAPI or Markdown.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

TIMESTAMP = "google.protobuf.Timestamp"
_PACKAGE = "tagstream.v1"
_SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_INT32: "int32",
}


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is string, bool, int32, google.protobuf.Timestamp or the name of a `Message`."""

    name: str
    json_name: str
    kind: str
    repeated: bool
    description: str


@dataclass(frozen=True, slots=True)
class Message:
    """`event_type` is empty for a message that is only a part of others."""

    name: str
    file: str
    event_type: str
    description: str
    fields: tuple[Field, ...]


def compile_protos(root: Path) -> FileDescriptorSet:
    """Compile every .proto file below `root`, with imports and comments."""
    files = sorted(str(path.relative_to(root)) for path in root.glob("tagstream/**/*.proto"))
    includes = [f"-I{root}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "contract.binpb"
        flags = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        if protoc.main(["protoc", *includes, *flags, *files]) != 0:
            raise SystemExit("protoc failed; its message stands above")
        return FileDescriptorSet.FromString(out.read_bytes())


def load_messages(root: Path) -> dict[str, Message]:
    """Every message of the contract by name, in the order of the files."""
    compiled = compile_protos(root)
    pool = descriptor_pool.DescriptorPool()
    for file in compiled.file:
        pool.Add(file)
    return {
        message.name: message
        for file in compiled.file
        if file.package == _PACKAGE
        for message in _messages(file, pool)
    }


def _messages(file: FileDescriptorProto, pool: descriptor_pool.DescriptorPool) -> Iterator[Message]:
    comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
    }
    for number, message in enumerate(file.message_type):
        yield Message(
            name=message.name,
            file=file.name,
            event_type=_event_type(message, pool),
            description=comments.get((4, number), ""),
            fields=tuple(
                _field(field, comments.get((4, number, 2, position), ""))
                for position, field in enumerate(message.field)
            ),
        )


def _field(field: FieldDescriptorProto, description: str) -> Field:
    kind = field.type_name.removeprefix(".").removeprefix(f"{_PACKAGE}.")
    if field.type != FieldDescriptorProto.TYPE_MESSAGE:
        if field.type not in _SCALARS:
            raise SystemExit(f"{field.name}: use string, bool, int32 or a message")
        kind = _SCALARS[field.type]
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return Field(field.name, field.json_name, kind, repeated, description)


def _event_type(message: DescriptorProto, pool: descriptor_pool.DescriptorPool) -> str:
    options = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.MessageOptions")
    )
    extension = pool.FindExtensionByName(f"{_PACKAGE}.event_type")
    parsed = options.FromString(message.options.SerializeToString())
    return str(parsed.Extensions[extension])  # type: ignore[index]
