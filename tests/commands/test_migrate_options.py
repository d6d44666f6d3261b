"""Options of `botkeys migrate` that contradict each other."""

import pytest
from typer.testing import CliRunner

from app.cli import app


def test_a_check_that_is_to_distribute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTKEYS_DATABASE_URL", "postgresql://nobody@/nothing?host=/nowhere")
    ended = CliRunner().invoke(app, ["migrate", "--check", "--distribute"])
    assert ended.exit_code == 2
    assert "without --distribute" in ended.output
