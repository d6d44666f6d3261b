"""Folders of key files as platforms mount them: real mounts, and another user's process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app.custody import mounts
from app.custody.errors import KeyFileExposed
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.mounts import is_platform_mount

ROOT = Path(__file__).parents[2]
TAKEN = "taken"


def can_mount() -> bool:
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        return False
    done = subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """Provide what a process of an ordinary user gets from each folder."""
    if not can_mount():
        pytest.skip("mounting needs root and its capabilities")
    with tempfile.TemporaryDirectory() as folder:  # where other users can reach it
        done = subprocess.run(  # noqa: S603  # our own program
            ["unshare", "--mount", sys.executable, "-m", "tests.custody.mounted_folders", folder],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_folders_of_platforms_are_taken(outcomes: dict[str, str]) -> None:
    """R90."""
    names = [
        "kubernetes",
        "kubernetes, a group's",
        "docker",
        "docker, a folder of the disk",
        "systemd",
        "systemd, the user's",
        "in memory",
    ]
    assert {name: outcomes[name] for name in names} == dict.fromkeys(names, TAKEN)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("in memory, writable", "other users can access this folder"),
        ("in memory, the group's", "other users can access this folder"),
        ("in memory, root's own", "other users can access this folder"),
        ("files to write", "other users can write it"),
        ("the group's files to write", "other users can write it"),
        ("a stranger's folder", "belongs to another user"),
        ("a stranger's files", "belongs to another user"),
        ("a link that leads out", "audit-hmac: other users can read it"),
        ("another role's key, hidden", "other (the key that finds duplicates)"),
        ("an ordinary folder", "other users can access this folder"),
        ("a folder that only root may open", "cannot be read (Permission denied)"),
        ("an ordinary folder of links", "is a folder, but a key folder holds only files"),
    ],
)
def test_other_folders_stay_strict(outcomes: dict[str, str], name: str, expected: str) -> None:
    assert expected in outcomes[name]


def test_without_a_mount_the_modes_decide(
    folder: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with a mount that is pretended, for machines where tests cannot mount."""
    folder.create_missing([KeyKind.AUDIT_HMAC])
    folder.path.chmod(0o755)
    (folder.path / "audit-hmac").chmod(0o444)
    with pytest.raises(KeyFileExposed):
        folder.read_secret(KeyKind.AUDIT_HMAC)
    actual = os.statvfs(folder.path)

    class ReadOnly:
        f_flag = actual.f_flag | os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly)
    if folder.path.stat().st_uid == 0:
        assert is_platform_mount(folder.path)
        folder.read_secret(KeyKind.AUDIT_HMAC)
    else:
        assert not is_platform_mount(folder.path)


def test_a_file_system_is_found_by_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        "31 27 0:42 / /a\\040b rw shared:3 master:1 - tmpfs secrets rw\n"
    )
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    assert mounts._file_system(os.makedev(0, 42)) == "tmpfs"
    assert mounts._file_system(os.makedev(0, 21)) == "proc"
    assert mounts._file_system(os.makedev(8, 1)) is None
