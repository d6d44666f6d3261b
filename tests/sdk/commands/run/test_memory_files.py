"""Where credentials are written, and what is left of them."""

import errno
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from botkeys.commands.endings import UsageFault
from botkeys.commands.run.chosen import deliver_chosen, parse_files, parse_variables
from botkeys.commands.run.memory_files import (
    CredentialFiles,
    is_in_memory,
    memory_folders,
    remove_stale,
)
from botkeys.commands.run.refusals import NoPlace
from botkeys.sealing.secret import Secret
from tests.sdk.commands.run.test_presets import given

CONTENT = Secret("PLANTED")


def test_a_folder_in_memory_is_recognised(memory: Path) -> None:
    assert is_in_memory(memory)
    assert not is_in_memory(Path("/proc"))
    assert not is_in_memory(memory / "missing")
    assert next(memory_folders({"XDG_RUNTIME_DIR": str(memory)})) == memory
    # What is no tmpfs is passed over, whatever its name.
    assert Path("/proc") not in memory_folders({"XDG_RUNTIME_DIR": "/proc"})


def test_without_memory_a_disk_is_used_only_if_permitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")  # which has neither tmpfs nor memfd
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    refused = CredentialFiles(disk=False, variables={})
    with pytest.raises(NoPlace, match="--disk"):
        refused.write_memfd("key.json", CONTENT)
    with CredentialFiles(disk=True, variables={}) as files:
        path = files.write_memfd("key.json", CONTENT)
        assert path.is_relative_to(tmp_path)
        assert path.read_text() == "PLANTED"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_only_what_nobody_uses_is_removed(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    variables = {"XDG_RUNTIME_DIR": str(memory)}
    used = CredentialFiles(disk=False, variables=variables)
    path = used.write("key.json", CONTENT)
    left = memory / f"botkeys-run-{os.getuid()}-left"
    left.mkdir()
    (left / ".lock").touch()
    (left / "key.json").write_text("PLANTED")
    other = memory / "botkeys-run-others"
    other.mkdir()
    remove_stale(variables)
    assert path.exists()
    assert not left.exists()
    assert other.exists()
    used.remove()
    assert list(memory.iterdir()) == [other]


def test_a_template_is_filled_as_its_format_needs(tmp_path: Path) -> None:
    for name in ("bot.json.template", "bot.conf"):
        (tmp_path / name).write_text('key = "{{api_key}}" {{ exchange }} {{rest_url}}')
    key = replace(given("bitmex"), api_key=Secret('a"\nb'))
    files = parse_files([f"J={tmp_path}/bot.json.template", f"C={tmp_path}/bot.conf"])
    delivery = deliver_chosen(key, parse_variables(["K=environment"]), files)
    quoted, plain = delivery.files
    rest = key.endpoints.rest or ""
    assert (quoted.name, plain.name) == ("bot.json", "bot.conf")
    assert quoted.content.reveal() == f'key = "a\\"\\nb" bitmex {rest}'
    assert plain.content.reveal() == f'key = "a"\nb" bitmex {rest}'
    assert delivery.variables["K"].reveal() == "testnet"


@pytest.mark.parametrize("text", ["K", "=x", "1K=api_key", "K K=api_key", "BOTKEYS_K=api_key"])
def test_a_malformed_choice_is_refused(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_variables([text])


def test_an_unknown_field_of_a_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{{secret}}")
    with pytest.raises(UsageFault, match="'secret' is no field of a key"):
        parse_files([f"A={tmp_path}/a.json"])


def test_files_of_one_name_stand_apart_and_go_together(memory: Path) -> None:
    with CredentialFiles(disk=False, variables={"XDG_RUNTIME_DIR": str(memory)}) as files:
        paths = [files.write(name, Secret(name + "!")) for name in ("a.json", "a.json", "")]
        assert len(set(paths)) == 3
        assert [path.read_text() for path in paths] == ["a.json!", "a.json!", "!"]
        assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert not any(path.exists() for path in paths)


def test_a_file_that_cannot_be_written_is_a_sentence(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with CredentialFiles(disk=False, variables={"XDG_RUNTIME_DIR": str(memory)}) as files:
        monkeypatch.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(NoPlace, match="No space left on device"):
            files.write("a.json", Secret("a"))
