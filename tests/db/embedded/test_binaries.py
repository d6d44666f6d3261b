"""The programs, and the copy for a server whose user cannot enter the virtual environment."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.embedded import FolderUnreadable
from app.db.embedded.binaries import DISTRIBUTION, PACKAGE, find_binaries
from tests.support.in_memory import open_root

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root serves as another user")


@pytest.fixture
def closed_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the wheel below a folder that only root can enter."""
    environment = tmp_path / "environment"
    environment.mkdir(mode=0o700)
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    metadata = Path(str(importlib.metadata.distribution(DISTRIBUTION).locate_file("")))
    for source in (
        package,
        package.with_name(f"{PACKAGE}.libs"),
        *metadata.glob(f"{PACKAGE}-*.dist-info"),
    ):
        shutil.copytree(
            source, environment / source.name, ignore=shutil.ignore_patterns("include", "*.a")
        )
    monkeypatch.syspath_prepend(str(environment))
    return environment


def run_as_stranger(program: str) -> str:
    return subprocess.run(  # noqa: S603  # a program of the wheel
        [program, "--version"],
        user=65533,
        group=65533,
        extra_groups=[],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_wheel_itself_is_used_by_its_own_user() -> None:
    binaries = find_binaries(for_another_user=False)
    assert Path(binaries.postgres).parts[-4:] == (PACKAGE, "pginstall18", "bin", "postgres")
    assert os.access(binaries.initdb, os.X_OK)


@AS_ROOT
def test_a_closed_environment_is_copied_once_to_where_others_can_run_it(
    closed_environment: Path, open_folder: Path
) -> None:
    copies = [open_folder / "cache"]
    binaries = find_binaries(for_another_user=True, copies=copies)
    assert not Path(binaries.postgres).is_relative_to(closed_environment)
    assert "18" in run_as_stranger(binaries.postgres)
    assert "18" in run_as_stranger(binaries.initdb)
    made = Path(binaries.postgres).stat().st_ino
    again = find_binaries(for_another_user=True, copies=copies)
    assert Path(again.postgres).stat().st_ino == made
    assert len(list(copies[0].iterdir())) == 1


@AS_ROOT
@pytest.mark.usefixtures("closed_environment")
def test_a_copy_is_not_put_where_somebody_else_could_change_it(open_folder: Path) -> None:
    foreign, writable, sound = (open_folder / name for name in ("foreign", "writable", "sound"))
    foreign.mkdir()
    os.chown(foreign, 65533, 65533)
    writable.mkdir()
    writable.chmod(0o777)
    with pytest.raises(FolderUnreadable):
        find_binaries(for_another_user=True, copies=[foreign, writable])
    binaries = find_binaries(for_another_user=True, copies=[foreign, writable, sound])
    assert Path(binaries.postgres).is_relative_to(sound)


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """Provide a folder that everyone can enter, unlike pytest's own."""
    folder = open_root() / f"botkeys-test-{tmp_path.name}-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
