"""Tables in the documentation that follow from code are up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_settings_and_metrics_tables_are_what_the_code_says(generator: ModuleType) -> None:
    stale = [
        page.name for page, text in generator.generate().items() if page.read_text("utf-8") != text
    ]
    assert stale == [], "run python docs/generate.py"
