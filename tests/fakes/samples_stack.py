"""A stack with a small library of samples, whose images one registry has and another has not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.registry import FakeRegistry
from fakes.stack import Stack, start_stack
from tagstream.errors import NotFound

_MANIFEST = """\
name: test
version: "{version}"
files:
- {{path: ruby.yaml, kind: ImageStream}}
- {{path: php.yaml, kind: ImageStream}}
- {{path: shop.yaml, kind: Template}}
"""
STREAM = """\
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {{name: {name}, labels: {{of: library}}}}
spec:
  tags:
  - name: "1"
    from: {{kind: DockerImage, name: "{registry}/samples/{name}:1"}}
    importPolicy: {{insecure: true}}
  - name: latest
    from: {{kind: ImageStreamTag, name: "1"}}
"""
_TEMPLATE = """\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: shop, annotations: {description: A shop.}}
objects:
- apiVersion: v1
  kind: Secret
  metadata: {name: "${NAME}", namespace: elsewhere}
  stringData: {password: "${PASSWORD}", count: "${{COUNT}}"}
parameters:
- {name: NAME, value: shop}
- {name: COUNT, value: "3"}
- {name: PASSWORD, generate: expression, from: "[a-zA-Z0-9]{8}"}
"""


@dataclass(frozen=True, slots=True)
class Samples:
    """The stack, its library and the registry that has `samples/ruby` only."""

    stack: Stack
    library: Path
    registry: FakeRegistry

    def write(self, name: str, content: str) -> None:
        (self.library / f"{name}.yaml").write_text(textwrap.dedent(content))

    def release(self, version: str) -> None:
        self.write("manifest", _MANIFEST.format(version=version))


@contextmanager
def run_samples() -> Iterator[Samples]:
    """Everything, installed soon after; stopped and removed after the block."""
    folder = Path(tempfile.mkdtemp(prefix="tagstream-samples-"))
    folder.chmod(0o755)
    registry = FakeRegistry()
    registry.start_in_thread()
    registry.add_image("samples/ruby", "1")
    library = folder / "library"
    library.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAGSTREAM_SAMPLES_LIBRARY", str(library))
        found = Samples(Stack(folder, ""), library, registry)
        for name in ("ruby", "php"):
            found.write(name, STREAM.format(name=name, registry=registry.host))
        found.write("shop", _TEMPLATE)
        found.release("1")
        stack = start_stack(folder / "data", "--samples")
    try:
        yield Samples(stack, library, registry)
    finally:
        stack.stop()
        registry.stop_in_thread()
        shutil.rmtree(folder, ignore_errors=True)


async def until(condition: Callable[[], Awaitable[bool]], stack: Stack) -> None:
    for _ in range(600):
        try:
            if await condition():
                return
        except NotFound:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within 60 s\n{stack.logs()}")
