"""Only the service's own user gets access, and the log reveals nothing."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from app.db.embedded import EmbeddedPostgres
from tests.support.in_memory import open_root

STRANGER = Path(__file__).with_name("stranger_process.py")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
OTHER_UID = 65533


def knock(postgres: EmbeddedPostgres, uid: int, gid: int, role: str) -> str:
    socket = postgres.socket_folder / ".s.PGSQL.5432"
    return subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-I", "-S", str(STRANGER), str(uid), str(gid), str(socket), role],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def test_only_the_roles_of_the_service_are_let_in_and_by_peer_alone(
    quick: EmbeddedPostgres,
) -> None:
    with quick:
        rules = (quick.folder / "pg_hba.conf").read_text().splitlines()
    assert [line for line in rules if not line.startswith("#")] == [
        "local all postgres,botkeys_owner,botkeys_service peer map=botkeys"
    ]


async def test_a_role_beside_the_three_is_refused(quick: EmbeddedPostgres) -> None:
    await quick.start()
    connection = await asyncpg.connect(quick.url("postgres"))
    await connection.execute("DROP ROLE IF EXISTS fourth")
    await connection.execute("CREATE ROLE fourth LOGIN SUPERUSER")
    await connection.close()
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(quick.url("fourth"))


@AS_ROOT
def test_another_user_cannot_reach_the_socket(long_folder: Path) -> None:
    with EmbeddedPostgres(long_folder, settings={"fsync": "off"}) as postgres:
        assert knock(postgres, OTHER_UID, OTHER_UID, "botkeys_service") == "unreachable"
        assert knock(postgres, 0, 0, "botkeys_service") == "let in"


@AS_ROOT
def test_a_user_who_reaches_the_socket_is_refused(long_folder: Path, made: Path) -> None:
    server = made.stat()
    settings = {"fsync": "off", "unix_socket_permissions": "0777"}
    with EmbeddedPostgres(long_folder, settings=settings) as postgres:
        for role in ("postgres", "botkeys_owner", "botkeys_service"):
            assert knock(postgres, server.st_uid, server.st_gid, role) == "28000"
        postgres.socket_folder.chmod(0o755)
        assert knock(postgres, OTHER_UID, OTHER_UID, "postgres") == "28000"


async def test_no_network_port_is_open(quick: EmbeddedPostgres) -> None:
    await quick.start()
    connection = await asyncpg.connect(quick.url())
    assert await connection.fetchval("SHOW listen_addresses") == ""
    await connection.close()
    server = psutil.Process(quick.pid)
    try:
        sockets = [str(item.laddr) for item in server.net_connections(kind="unix")]
        assert [path for path in sockets if path.endswith(".s.PGSQL.5432")]
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a session's process ends with it
                assert process.net_connections(kind="inet") == []
    except psutil.AccessDenied:
        pytest.skip("this system hides the server's sockets from root")


async def test_folders_and_files_are_private(quick: EmbeddedPostgres) -> None:
    await quick.start()
    for path in (quick.folder, quick.socket_folder, quick.folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((quick.socket_folder / ".s.PGSQL.5432").stat().st_mode) == 0o700
    for path in (quick.log, quick.folder / "pg_hba.conf", quick.folder / "pg_ident.conf"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_log_holds_no_statement_and_no_value(quick: EmbeddedPostgres) -> None:
    await quick.start()
    connection = await asyncpg.connect(quick.url("botkeys_owner"))
    await connection.execute(
        "CREATE TEMP TABLE t (text text PRIMARY KEY, number integer CHECK (number > 0))"
    )
    insert = "INSERT INTO t VALUES ($1, $2)"
    await connection.execute(insert, "planted-secret", 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, "planted-secret", 1)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert, "planted-secret-2", -1)
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await connection.execute("SELECT 'planted-secret'::integer")
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await connection.execute("planted-secret")
    await connection.close()
    await quick.stop()
    log = quick.log.read_text()
    assert "shut down" in log
    assert "planted" not in log


def test_the_log_of_the_start_before_is_kept_and_no_older_one(quick: EmbeddedPostgres) -> None:
    for _ in range(3):
        quick.start_sync()
        quick.stop_sync()
    assert quick.log.read_text().count("ready to accept") == 1
    logs = [path.name for path in quick.folder.parent.iterdir() if "log" in path.name]
    assert sorted(logs) == ["postgres.log", "postgres.log.1"]


@AS_ROOT
def test_root_runs_the_server_as_a_user_without_rights(quick: EmbeddedPostgres) -> None:
    with quick:
        uids = psutil.Process(quick.pid).uids()
        assert 0 not in uids
        assert uids.real == quick.folder.stat().st_uid
        # Its parent folders stay closed to the server's user.
        assert quick.folder.parent.stat().st_uid == 0
        assert stat.S_IMODE(quick.folder.parent.stat().st_mode) == 0o700


@AS_ROOT
def test_a_user_who_is_not_root_runs_the_server_himself(
    own: Callable[..., Any], made: Path, ended: Callable[..., bool]
) -> None:
    server = made.stat()  # any unprivileged user with a name
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin")]
    pythons = [python for python in candidates if python and runs(python, server.st_uid)]
    if not pythons:
        pytest.skip("no interpreter that an unprivileged user can run")
    home = open_root() / f"botkeys-test-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        os.chown(home, server.st_uid, server.st_gid)
        folder = home / "data" / "postgres"
        for _ in range(2):
            owner = own(folder, server.st_uid, server.st_gid, python=pythons[0])
            assert owner.answer().keys() == {"pid", "url"}
            assert owner.server.uids().real == server.st_uid
            assert folder.parent.stat().st_uid == server.st_uid
            owner.kill()
            assert ended([owner.server])
    finally:
        shutil.rmtree(home)


def runs(python: str, uid: int) -> bool:
    """Return whether that user can run it with this project's packages."""
    try:
        return (
            subprocess.run(  # noqa: S603  # an interpreter
                [python, "-c", "import psutil, app"],
                user=uid,
                group=uid,
                extra_groups=[],
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])},
                check=False,
                capture_output=True,
                timeout=60,
            ).returncode
            == 0
        )
    except PermissionError:
        return False
