"""A server that cannot start reports why in one sentence and leaves the files unchanged."""

import errno
import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from app.db.embedded import (
    DiskFull,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    FolderUnreadable,
    NotACluster,
    NotInstalled,
    OtherVersion,
    SocketFolderUnsafe,
    WrongMode,
    WrongOwner,
)
from app.db.embedded.binaries import find_binaries

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away or mount")


def refusal(folder: Path) -> EmbeddedPostgresError:
    before = contents(folder)
    with pytest.raises(EmbeddedPostgresError) as caught, EmbeddedPostgres(folder):
        pass
    assert contents(folder) == before
    assert "\n" not in str(caught.value)
    return caught.value


def contents(folder: Path) -> list[tuple[str, int]]:
    if not folder.is_dir():
        return []
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def test_a_folder_of_something_else_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "holiday.txt").write_text("mine")
    assert isinstance(refusal(folder), NotACluster)


def test_a_file_in_the_folder_s_place_is_refused(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("mine")
    assert isinstance(refusal(folder), FolderUnreadable)
    assert folder.read_text() == "mine"


def test_an_empty_folder_is_used(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    with EmbeddedPostgres(folder, settings={"fsync": "off"}):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_another_major_version_is_refused_with_both_numbers(made: Path) -> None:
    try:
        (made / "PG_VERSION").write_text("15\n")
        error = refusal(made)
    finally:
        (made / "PG_VERSION").write_text("18\n")
    assert isinstance(error, OtherVersion)
    assert (error.found, error.needed) == ("15", "18")
    assert "dump" in str(error)


def test_a_cluster_open_to_others_is_refused_with_the_command_that_closes_it(made: Path) -> None:
    try:
        made.chmod(0o755)
        error = refusal(made)
    finally:
        made.chmod(0o700)
    assert isinstance(error, WrongMode)
    assert str(error).endswith(f"chmod 700 {made}")


@AS_ROOT
def test_a_cluster_that_belongs_to_root_is_refused(made: Path) -> None:
    owner = made.stat()
    try:
        os.chown(made, 0, 0)
        assert isinstance(refusal(made), WrongOwner)
    finally:
        os.chown(made, owner.st_uid, owner.st_gid)


@AS_ROOT
def test_a_cluster_whose_owner_has_lost_his_name_still_starts(made: Path) -> None:
    owner = made.stat()
    try:
        for path in [made, *made.rglob("*")]:
            os.chown(path, 54321, 54321)
        with EmbeddedPostgres(made, settings={"fsync": "off"}) as postgres:
            assert psutil.Process(postgres.pid).uids().real == 54321
    finally:
        for path in [made, *made.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)


@AS_ROOT
def test_a_socket_folder_made_by_somebody_else_is_not_used(
    long_folder: Path, tmp_path: Path
) -> None:
    squatted = EmbeddedPostgres(long_folder).socket_folder
    squatted.mkdir(mode=0o700)
    try:
        os.chown(squatted, 65533, 65533)
        with pytest.raises(SocketFolderUnsafe), EmbeddedPostgres(long_folder):
            pass
        squatted.rmdir()
        squatted.symlink_to(tmp_path)
        with pytest.raises(SocketFolderUnsafe), EmbeddedPostgres(long_folder):
            pass
    finally:
        squatted.unlink() if squatted.is_symlink() else squatted.rmdir()


def test_a_link_laid_in_the_cluster_is_not_written_through(
    made: Path, quick: EmbeddedPostgres, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    for name in ("pg_hba.conf", "pg_hba.conf.new", "pg_ident.conf"):
        (made / name).unlink(missing_ok=True)
        (made / name).symlink_to(target)
    with quick:
        assert target.read_text() == "untouched"
        assert not (made / "pg_hba.conf").is_symlink()


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(NotInstalled, match=r"botkeys-server\[embedded\]"):
        find_binaries(for_another_user=False)


def test_a_full_disk_is_reported_as_such(folder: Path) -> None:
    cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(DiskFull), EmbeddedPostgres(folder)._translating_errors():
        raise cause


@AS_ROOT
@pytest.mark.torture
def test_a_disk_that_fills_up_during_creation_leaves_nothing_half_done(folder: Path) -> None:
    folder.parent.mkdir()
    mounted = subprocess.run(  # noqa: S603  # fixed arguments
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder.parent)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("this system lets nobody mount")
    try:
        with pytest.raises(DiskFull), EmbeddedPostgres(folder):
            pass
        assert not folder.exists()
        assert not folder.with_name("postgres.new").exists()
        subprocess.run(  # noqa: S603  # fixed arguments
            ["mount", "-o", "remount,size=200m", str(folder.parent)],  # noqa: S607
            check=True,
        )
        with EmbeddedPostgres(folder) as postgres:
            assert postgres.pid
    finally:
        subprocess.run(["umount", str(folder.parent)], check=True)  # noqa: S603, S607
