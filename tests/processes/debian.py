"""PostgreSQL 15, PgBouncer and HAProxy from Debian, over TCP and over a socket."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from tests.processes.running import Running, all_end, eventually, free_port
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


def url(login: str, hosts: str, database: str) -> str:
    return f"postgresql://{login}:{QUOTED}@{hosts}/{database}"


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


@dataclass(slots=True)
class Debian15:
    """A server. `process` is its postmaster, which a test may kill and start again."""

    folder: Path
    port: int
    data: Path
    settings: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    process: Running | None = None

    def url(self, login: str, database: str, port: int | None = None) -> str:
        return url(login, f"127.0.0.1:{port or self.port}", database)

    def socket_url(self, login: str, database: str) -> str:
        where = f"host={self.folder}&port={self.port}"
        return f"postgresql://{login}:{QUOTED}@/{database}?{where}"

    def run(self, *statements: str) -> None:
        asyncio.run(execute(self.url("postgres", "postgres"), *statements))

    def scalar(self, statement: str) -> object:
        async def fetched() -> object:
            connection = await asyncpg.connect(self.url("postgres", "postgres"), timeout=5)
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(fetched())

    def is_up(self) -> bool:
        try:
            self.scalar("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def start(self) -> None:
        """Start the postmaster, and wait until it answers."""
        user = account()
        settings = ("listen_addresses=127.0.0.1", "fsync=off", "max_connections=60")
        self.process = Running(
            BINARIES / "postgres",
            "-D",
            self.data,
            "-p",
            str(self.port),
            "-k",
            self.folder,
            *(part for setting in (*settings, *self.settings) for part in ("-c", setting)),
            env={"LC_ALL": "C", **self.variables},
            cwd=Path("/"),
            user=user.pw_uid if user else None,
        )
        assert eventually(self.is_up, 30), self.process.text

    def kill(self) -> None:
        """Kill the postmaster; its other processes notice that and end."""
        assert self.process is not None
        family = self.process.family()
        self.process.send(signal.SIGKILL)
        self.process.wait()
        assert all_end(family)

    def start_if_dead(self) -> None:
        """Start the postmaster again if it has ended by itself."""
        if self.process is None or self.process.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send(signal.SIGINT)
            self.process.wait(20)


def _run_as_server(*command: str | Path) -> None:
    user = account()
    subprocess.run(  # noqa: S603  # fixed arguments
        command,
        check=True,
        capture_output=True,
        user=user.pw_uid if user else None,
        cwd="/",
    )


@contextmanager
def debian15(
    *settings: str, disk: Path | None = None, variables: dict[str, str] | None = None
) -> Iterator[Debian15]:
    """Run a server with these settings (`name=value`), its data and WAL on `disk` if given."""
    needed(BINARIES / "initdb", BINARIES / "postgres")
    with private_folder() as folder:
        data = (disk or folder) / "data"
        passwords = folder / "password"
        passwords.write_text(PASSWORD)
        passwords.chmod(0o644)  # inside a folder that nobody else can enter
        _run_as_server(
            BINARIES / "initdb",
            "--pgdata",
            data,
            "--wal-segsize",
            "1" if disk else "16",
            "--username",
            "postgres",
            "--no-sync",
            "--auth",
            "scram-sha-256",
            "--pwfile",
            passwords,
            "--encoding",
            "UTF8",
        )
        server = Debian15(folder, free_port(), data, settings, variables or {})
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def standby_of(primary: Debian15) -> Iterator[Debian15]:
    """Run a standby, for whose answer every commit of the primary waits from then on."""
    with private_folder() as folder:
        _run_as_server(
            BINARIES / "pg_basebackup",
            "--pgdata",
            folder / "data",
            "--write-recovery-conf",
            "--checkpoint",
            "fast",
            "--no-sync",
            "--dbname",
            primary.url("postgres", "postgres"),
        )
        standby = Debian15(folder, free_port(), folder / "data")
        standby.start()
        try:
            primary.run(
                "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
            )
            yield standby
        finally:
            standby.stop()


class Pooler:
    """PgBouncer, which a test may kill and start again."""

    program = Path("/usr/sbin/pgbouncer")

    def __init__(self, configuration: Path, port: int) -> None:
        self.port = port
        self._configuration = configuration
        self._process: Running

    def start(self) -> None:
        user = account()
        self._process = Running(
            self.program,
            self._configuration,
            env={"LC_ALL": "C"},
            cwd=Path("/"),
            user=user.pw_uid if user else None,
        )
        assert self._process.says("process up"), self._process.text

    def kill(self) -> None:
        self._process.send(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        self._process.send(signal.SIGTERM)
        self._process.wait(20)


@contextmanager
def pgbouncer(server: Debian15, login: str, database: str) -> Iterator[Pooler]:
    """Run a transaction pooler before `database`."""
    needed(Pooler.program)
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
        pooler = Pooler(folder / "pgbouncer.ini", port)
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.stop()


@contextmanager
def proxying(configuration: str) -> Iterator[int]:
    """Run HAProxy; yield the port, which stands where the configuration says `PORT`."""
    program = Path("/usr/sbin/haproxy")
    needed(program)
    with private_folder() as folder:
        port = free_port()
        file = folder / "haproxy.cfg"
        file.write_text(configuration.replace("PORT", str(port)))
        file.chmod(0o644)
        process = Running(program, "-db", "-f", file, env={}, cwd=Path("/"))
        try:
            yield port
        finally:
            process.send(signal.SIGTERM)
            process.wait(20)


@contextmanager
def haproxy(ports: list[int]) -> Iterator[int]:
    """Run a proxy before servers of HTTP, as docs/deployment.md has it; yield its port."""
    servers = "\n".join(
        f"  server s{number} 127.0.0.1:{each} check inter 200ms fall 1 rise 1"
        for number, each in enumerate(ports)
    )
    with proxying(
        f"""
global
  maxconn 200
defaults
  mode http
  timeout connect 2s
  timeout client 70s
  timeout server 70s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
  option http-server-close
frontend service
  bind 127.0.0.1:PORT
  default_backend processes
backend processes
  balance roundrobin
  option httpchk GET /livez
{servers}
"""
    ) as port:
        yield port
