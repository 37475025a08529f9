"""The files that containers are made from agree with the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from tagstream.api.access.tokens import TokenKey
from tagstream.kube.config import load_cluster_config
from tagstream.kube.tls import build_ssl_context
from tagstream.store.sealing import load_sealer

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SERVICES = (
    "api",
    "importer",
    "tag-tracker",
    "trigger-dispatcher",
    "samples-manager",
    "pruner",
)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def test_every_command_of_the_compose_file_is_a_console_script(compose: dict[str, Any]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    ours = {n: s for n, s in compose["services"].items() if n not in ("postgres", "nats")}
    assert set(ours) == {*SERVICES, "migrate"}
    assert all(service["command"] == [f"tagstream-{name}"] for name, service in ours.items())
    assert all(service["command"][0] in scripts for service in ours.values())


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_given_what_its_settings_require(
    compose: dict[str, Any], service: str
) -> None:
    settings = import_module(f"tagstream.{service.replace('-', '_')}.settings").Settings
    known = {f"TAGSTREAM_{name.upper()}" for name in settings.model_fields}
    required = {
        f"TAGSTREAM_{name.upper()}"
        for name, info in settings.model_fields.items()
        if info.is_required()
    }
    given = set(compose["services"][service]["environment"])
    assert required - given == set()
    assert given - known == set()


def test_the_image_is_built_from_files_that_exist() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert [source for source in sources if f"!{source}" not in allowed] == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_keys_that_are_made_can_be_used(tmp_path: Path) -> None:
    keys, environment = tmp_path / "keys", tmp_path / "env"
    subprocess.run(
        [DEPLOY / "make-keys.sh", "tagstream.example.com", "192.0.2.7"],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TAGSTREAM_KEYS_DIR": str(keys),
            "TAGSTREAM_ENV_FILE": str(environment),
        },
        check=True,
        capture_output=True,
    )
    TokenKey.from_pem((keys / "token.key").read_bytes())
    load_sealer(keys / "secret.key")
    for name in ("kubeconfig", "dispatcher.kubeconfig", "samples.kubeconfig"):
        build_ssl_context(load_cluster_config(keys / name, {}))
    assert all(file.stat().st_mode & 0o077 == 0 for file in keys.iterdir())
    assert "POSTGRES_PASSWORD=" in environment.read_text()
