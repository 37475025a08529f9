"""`tagstream page`: which server it means, and what it refuses. That it works, the demo shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tagstream.cli.page import page
from tagstream.errors import InvalidInput


@pytest.mark.parametrize("account", ["me", "/me", "shop/", "shop/me/too"])
def test_an_account_is_named_with_its_namespace(account: str) -> None:
    said = CliRunner().invoke(page, ["--account", account])
    assert said.exit_code == 2
    assert f"--account: {account!r} must be written NAMESPACE/NAME" in said.output


def test_without_a_stack_it_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    said = CliRunner().invoke(page, ["--data-dir", str(tmp_path)])
    assert isinstance(said.exception, InvalidInput)
    assert "start `tagstream up`" in str(said.exception)
