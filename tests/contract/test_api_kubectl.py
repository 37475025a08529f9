"""What real kubectls, old and new, make of the documents.

The kubectls are the one on the PATH and those that TAGSTREAM_TEST_KUBECTLS lists, separated by
colons. Without any these tests are skipped, but not in CI.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.documents_app import KINDS, serve_documents

STREAM = """\
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: ruby, namespace: a}
spec:
  lookupPolicy: {local: true}
  tags:
  - name: "3"
    from: {kind: DockerImage, name: "quay.io/acme/ruby:3"}
    importPolicy: {scheduled: true}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: a}
spec:
  replicas: 1
  selector: {matchLabels: {a: b}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 25%}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - name: web
        image: x
        resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 0.5}}
        livenessProbe: {httpGet: {port: 80}}
"""


def _kubectls() -> list[str]:
    listed = os.environ.get("TAGSTREAM_TEST_KUBECTLS", "").split(":")
    on_path = shutil.which("kubectl")
    return [found for found in (*listed, on_path) if found]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serve_documents() as url:
        yield url


class Kubectl:
    """One kubectl, speaking to the documents alone."""

    def __init__(self, path: str, server: str, home: Path) -> None:
        self._start = [path, "--server", server, "--cache-dir", str(home / "cache")]
        self._home = home

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self._home), "KUBECONFIG": os.devnull}
        done = subprocess.run(
            [*self._start, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def create(self, manifest: str) -> tuple[int, str]:
        """A dry run at the server with validation, by whichever of the two does it."""
        path = self._home / "manifest.yaml"
        path.write_text(manifest)
        return self.run("create", "--dry-run=server", "--validate=true", "-f", str(path))


@pytest.fixture(params=_kubectls() or [""], ids=lambda path: path or "none")
def kubectl(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Kubectl:
    if not request.param:
        if os.environ.get("CI"):
            pytest.fail("no kubectl found; install one or set TAGSTREAM_TEST_KUBECTLS")
        pytest.skip("no kubectl found")
    return Kubectl(request.param, server, tmp_path)


def test_kubectl_lists_the_resources(kubectl: Kubectl) -> None:
    code, output = kubectl.run("api-resources", "--no-headers")
    assert code == 0, output
    rows = [line.split() for line in output.splitlines()]
    assert ["imagestreams", "is", "image.openshift.io/v1", "true", "ImageStream"] in rows
    assert len(rows) == len(KINDS)


def test_kubectl_explains_the_tags_of_a_stream(kubectl: Kubectl) -> None:
    code, output = kubectl.run("explain", "imagestream.spec.tags")
    assert code == 0, output
    said = " ".join(output.split())
    assert "TagReference is one tag of a stream as its owner wants it" in said
    assert "name <string> -required- The name of the tag." in said
    assert "annotations <map[string]string>" in said


@pytest.mark.parametrize("manifest", [STREAM, DEPLOYMENT], ids=["stream", "deployment"])
def test_kubectl_creates_what_is_valid(kubectl: Kubectl, manifest: str) -> None:
    code, output = kubectl.create(manifest)
    assert code == 0, output


@pytest.mark.parametrize(
    ("manifest", "right", "wrong", "said"),
    [
        (STREAM, "importPolicy", "importPolcy", "unknown field"),
        (DEPLOYMENT, "replicas:", "replicass:", "unknown field"),
        (STREAM, "local: true", 'local: "yes"', "string"),
        (DEPLOYMENT, "replicas: 1", 'replicas: "1"', "string"),
    ],
)
def test_kubectl_refuses_unknown_fields_and_wrong_types(
    kubectl: Kubectl, manifest: str, right: str, wrong: str, said: str
) -> None:
    code, output = kubectl.create(manifest.replace(right, wrong))
    assert code != 0
    assert said in output
