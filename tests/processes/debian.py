"""PostgreSQL 15 and PgBouncer from Debian, with passwords, over TCP and over a socket."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tests.processes.running import Running, eventually, free_port
from tests.support.database import execute

BINARIES = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "pass word/with:odd@letters"
QUOTED = "pass%20word%2Fwith%3Aodd%40letters"


def account() -> pwd.struct_passwd | None:
    """Return the user that the programs run as if we are root, which they reject."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("as root, Debian's PostgreSQL needs the user postgres")


def needed(*programs: Path) -> None:
    for program in programs:
        if not program.exists():
            pytest.skip(f"{program} is not installed")


@contextmanager
def private_folder() -> Iterator[Path]:
    """Provide a folder of the programs' user, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # 0700, random name
    user = account()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Debian15:
    folder: Path
    port: int

    def url(self, login: str, database: str, port: int | None = None) -> str:
        return f"postgresql://{login}:{QUOTED}@127.0.0.1:{port or self.port}/{database}"

    def socket_url(self, login: str, database: str) -> str:
        where = f"host={self.folder}&port={self.port}"
        return f"postgresql://{login}:{QUOTED}@/{database}?{where}"

    def run(self, *statements: str) -> None:
        asyncio.run(execute(self.url("postgres", "postgres"), *statements))

    def is_up(self) -> bool:
        async def connect() -> None:
            await (await asyncpg.connect(self.url("postgres", "postgres"), timeout=5)).close()

        try:
            asyncio.run(connect())
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@contextmanager
def debian15() -> Iterator[Debian15]:
    needed(BINARIES / "initdb", BINARIES / "postgres")
    user = account()
    with private_folder() as folder:
        passwords = folder / "password"
        passwords.write_text(PASSWORD)
        passwords.chmod(0o644)  # inside a folder that nobody else can enter
        subprocess.run(  # noqa: S603  # fixed arguments
            [
                BINARIES / "initdb",
                "--pgdata",
                folder / "data",
                "--username",
                "postgres",
                "--no-sync",
                "--auth",
                "scram-sha-256",
                "--pwfile",
                passwords,
                "--encoding",
                "UTF8",
            ],
            check=True,
            capture_output=True,
            user=user.pw_uid if user else None,
            cwd="/",
        )
        server = Debian15(folder, free_port())
        process = Running(
            BINARIES / "postgres",
            "-D",
            folder / "data",
            "-p",
            str(server.port),
            "-k",
            folder,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=60",
            env={"LC_ALL": "C"},
            cwd=Path("/"),
            user=user.pw_uid if user else None,
        )
        try:
            assert eventually(server.is_up, 30), process.text
            yield server
        finally:
            process.send(signal.SIGINT)
            process.wait(20)


@contextmanager
def pgbouncer(server: Debian15, login: str, database: str) -> Iterator[int]:
    """Run a transaction pooler before `database`; yield its port."""
    program = Path("/usr/sbin/pgbouncer")
    needed(program)
    user = account()
    with private_folder() as folder:
        port = free_port()
        (folder / "users.txt").write_text(f'"{login}" "{PASSWORD}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"""
[databases]
{database} = host=127.0.0.1 port={server.port} dbname={database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 8
max_client_conn = 500
"""
        )
        for file in folder.iterdir():
            file.chmod(0o644)
        process = Running(
            program,
            folder / "pgbouncer.ini",
            env={"LC_ALL": "C"},
            cwd=Path("/"),
            user=user.pw_uid if user else None,
        )
        try:
            assert process.says("process up"), process.text
            yield port
        finally:
            process.send(signal.SIGTERM)
            process.wait(20)
