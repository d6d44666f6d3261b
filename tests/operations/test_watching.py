"""What `botkeys operations watch` says where there is nothing to watch."""

import io
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.cli import app
from app.operations.watching import watch
from app.secret import Secret
from app.settings import SettingsError


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ftp://localhost", "must begin with http"),
        ("localhost:8000", "must begin with http"),
        ("http://[", "must begin with http"),
        ("http://127.0.0.1:1", "The service at http://127.0.0.1:1 does not answer"),
    ],
)
async def test_an_address_without_a_service_is_told_in_a_sentence(
    address: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    screen = Console(file=io.StringIO())
    with pytest.raises(SettingsError, match=sentence):
        await watch(address, uuid4(), Secret("token"), screen, look_seconds=0)
    assert not [record for record in caplog.records if record.name.startswith("stamina")]


def test_a_token_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    asked = ["operations", "watch", str(uuid4()), "--token-file", str(tmp_path / "none")]
    assert isinstance(failure := CliRunner().invoke(app, asked).exception, SettingsError)
    assert "none cannot be read" in str(failure)
