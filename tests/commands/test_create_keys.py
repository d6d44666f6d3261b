"""`botkeys master-key create`: a new master key, or one file that is missing."""

from pathlib import Path

import pytest
import typer

from app.cli import create
from app.custody.keyfiles import SECRETS


def test_one_file_is_created_alone_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys"
    create(keys, "webhook-key")
    assert [path.name for path in keys.iterdir()] == ["webhook-key"]
    before = (keys / "webhook-key").read_bytes()
    create(keys, "webhook-key")
    assert (keys / "webhook-key").read_bytes() == before
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"Created {keys / 'webhook-key'}."
    assert second == f"webhook-key is in {keys} already."
    with pytest.raises(typer.BadParameter, match="webhook-key"):
        create(keys, "master-0001.private")


def test_a_new_master_key_comes_with_what_is_missing(tmp_path: Path) -> None:
    create(tmp_path / "keys")
    halves = {"master-0001.private", "master-0001.public"}
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {*halves, *SECRETS}
