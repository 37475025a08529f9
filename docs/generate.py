"""Write the tables of the documentation that follow from code.

The settings of every service go into README.md, the metrics into docs/operate.md, each between a
pair of markers. Run after changing a setting or a metric:

    python docs/generate.py [--check]

`--check` writes nothing and fails, naming the files, when one of them is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from tagstream.telemetry.names import METRICS, Metric

ROOT = Path(__file__).resolve().parent.parent
SERVICES = (
    "api",
    "importer",
    "tag-tracker",
    "trigger-dispatcher",
    "samples-manager",
    "pruner",
)
_SOURCES = ("libs", "services")
_NAMES = ROOT / "libs/tagstream/telemetry/names.py"

#: What a setting means whose field does not say it.
_MEANINGS = {
    "TAGSTREAM_API_CLIENT_CA_FILE": "authorities of client certificates (PEM); CN is the user, "
    "O its groups; without it only tokens are accepted",
    "TAGSTREAM_API_HOST": "address the api listens on",
    "TAGSTREAM_API_PORT": "port the api listens on",
    "TAGSTREAM_API_TLS_CERT_FILE": "the api's certificate (PEM)",
    "TAGSTREAM_API_TLS_KEY_FILE": "the key of that certificate (PEM)",
    "TAGSTREAM_API_TOKEN_KEY_FILE": "EC P-256 private key (PEM) that signs service account "
    "tokens, the same for all replicas",
    "TAGSTREAM_DISABLE_SCHEDULED_IMPORT": "leave scheduled tags alone",
    "TAGSTREAM_EXTERNAL_REGISTRY": "host shown in `status.publicDockerImageRepository`",
    "TAGSTREAM_HEALTH_HOST": "address of `/metrics`, `/healthz` and `/readyz`",
    "TAGSTREAM_IMPORT_PLATFORM_ARCH": "architecture taken from a manifest list in mode Legacy",
    "TAGSTREAM_IMPORT_PLATFORM_OS": "operating system taken from a manifest list in mode Legacy",
    "TAGSTREAM_LOG_LEVEL": "`debug`, `info`, `warning` or `error`",
    "TAGSTREAM_MAX_IMAGES_BULK_IMPORTED_PER_REPOSITORY": "tags imported from a whole repository "
    "at once; -1 is no limit",
    "TAGSTREAM_POSTGRES_POOL_SIZE": "connections of one api process",
}


def settings_table() -> str:
    """One row for each variable, in alphabetical order; required ones have no default."""
    variables: dict[str, dict[str, FieldInfo]] = {}
    for service in SERVICES:
        settings = import_module(f"tagstream.{service.replace('-', '_')}.settings").Settings
        for variable, info in _fields(settings):
            variables.setdefault(variable, {})[service] = info
    rows = [
        (f"`{variable}`", _services(found), _defaults(found), meaning_of(variable, found))
        for variable, found in sorted(variables.items())
    ]
    return _table(("variable", "services", "default", "meaning"), rows)


def metrics_table() -> str:
    """The metrics that some code measures; one that is only declared is left out."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for root in _SOURCES
        for path in sorted((ROOT / root).rglob("*.py"))
        if path != _NAMES
    )
    constants = _constants()
    rows = [
        (f"`{m.name}`", m.kind.value, ", ".join(m.attributes) or "none", m.meaning)
        for m in sorted(METRICS, key=lambda metric: metric.name)
        if re.search(rf"\b{constants[m]}\b", code)
    ]
    return _table(("metric", "kind", "labels", "meaning"), rows)


def meaning_of(variable: str, found: Mapping[str, FieldInfo]) -> str:
    """The description of the first service that has one. Raises KeyError when nobody knows."""
    said = next((info.description for info in found.values() if info.description), "")
    return said or _MEANINGS[variable]


def generate() -> dict[Path, str]:
    """Every page with the text it should have."""
    return {
        ROOT / "README.md": _filled(ROOT / "README.md", "settings", settings_table()),
        ROOT / "docs/operate.md": _filled(ROOT / "docs/operate.md", "metrics", metrics_table()),
    }


def _fields(settings: type[BaseSettings]) -> Iterable[tuple[str, FieldInfo]]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, info in settings.model_fields.items():
        yield f"{prefix}{name}".upper(), info


def _services(found: Mapping[str, FieldInfo]) -> str:
    return "all" if len(found) == len(SERVICES) else ", ".join(found)


def _defaults(found: Mapping[str, FieldInfo]) -> str:
    by_default: dict[str, list[str]] = {}
    for service, info in found.items():
        by_default.setdefault(_default(info), []).append(service)
    if len(by_default) == 1:
        return next(iter(by_default))
    return "; ".join(f"{default} ({', '.join(who)})" for default, who in by_default.items())


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if isinstance(value, SecretStr):
        return "a secret"
    if value in (None, ""):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _constants() -> dict[Metric, str]:
    module = vars(import_module("tagstream.telemetry.names"))
    return {value: name for name, value in module.items() if isinstance(value, Metric)}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _filled(page: Path, name: str, table: str) -> str:
    begin = f"<!-- generated by docs/generate.py: {name}: begin -->"
    end = f"<!-- generated by docs/generate.py: {name}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page.name} has no markers for {name}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def main(arguments: list[str]) -> int:
    stale = [(page, text) for page, text in generate().items() if page.read_text("utf-8") != text]
    if arguments == ["--check"]:
        for page, _ in stale:
            print(f"{page.relative_to(ROOT)} is out of date: run python docs/generate.py")
        return 1 if stale else 0
    for page, text in stale:
        page.write_text(text, encoding="utf-8")
        print(f"wrote {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
