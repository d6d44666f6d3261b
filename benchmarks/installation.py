"""The measured installation: a service as in production, with its own database."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import asyncpg
import uvloop
from sqlalchemy import make_url, text

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.principal import account_id
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.master_keys.registry import register
from app.db.embedded import EmbeddedPostgres
from app.db.embedded.cluster import DATABASE, OWNER
from app.db.engine import open_database
from app.db.migrate import migrate
from app.process.development import SERVICE_ROLES
from benchmarks.server import Server, running

Role = Literal["api", "runtime"]

RELEASES_PER_HOUR = 100_000
"""More than any run makes, so that the release is measured and not its refusal."""

LIMITS = {
    "BOTKEYS_REQUESTS_PER_ACCOUNT": 1_000_000,
    "BOTKEYS_REQUESTS_PER_BOT": 1_000_000,
    "BOTKEYS_KEYS_PER_ACCOUNT": 1_000_000,
    "BOTKEYS_ROWS_PER_BOT_AND_DAY": 1_000_000_000,
}
"""More than a process can do, so that its limits are at work and let everything through."""

PRISTINE = "pristine"
"""A database that nothing has used since it was migrated."""

_ACCOUNT = "benchmark"


@dataclass(frozen=True, slots=True)
class Installation:
    """A migrated database, and each role's key files in `folder`/api and `folder`/runtime."""

    folder: Path
    database_url: str
    postgres_version: str
    postgres_pid: int

    def token(self, account: str = _ACCOUNT) -> str:
        """Return a user's token, which the service verifies like any other."""
        return DevelopmentIssuer(self.folder / "api").token(account)

    def service(
        self,
        role: Role = "api",
        processes: int = 1,
        *,
        port: int | None = None,
        **settings: object,
    ) -> AbstractContextManager[Server]:
        """Run `botkeys serve --role …` until the context ends, with further settings."""
        botkeys = Path(sys.executable).with_name("botkeys")
        command = (botkeys, "serve", "--role", role, "--processes", str(processes))
        environment = self.environment(role)
        environment |= {f"BOTKEYS_{name.upper()}": str(value) for name, value in settings.items()}
        return running(command, environment, "/readyz", self.folder / f"{role}.log", port)

    def floor(self) -> AbstractContextManager[Server]:
        """Run the bare function with a filled pool; it has the keys of the role `runtime`."""
        account = str(account_id(DevelopmentIssuer.issuer, _ACCOUNT))
        options = {"database_url": self.database_url, "account_id": account}
        environment = {**self.environment("runtime"), "BENCHMARK_FLOOR": json.dumps(options)}
        command = [sys.executable, "-m", "benchmarks.floor"]
        return running(command, environment, "/v1/keys", self.folder / "floor.log")

    def url(self, user: str) -> str:
        """Return the database's URL for another login: `botkeys_owner`, or `postgres`."""
        return make_url(self.database_url).set(username=user).render_as_string(hide_password=False)

    @contextmanager
    def copied(self, name: str, of: str = PRISTINE) -> Iterator[Self]:
        """Yield the same with a database of its own, a copy of one that nobody uses now.

        All copies of one are alike to the byte, and each begins after a checkpoint.
        """
        mine = make_url(self.database_url)
        other = mine.set(username="postgres", database="postgres")
        maintenance = other.render_as_string(hide_password=False)
        uvloop.run(_execute(maintenance, _copy(name, of)))
        try:
            url = mine.set(database=name).render_as_string(hide_password=False)
            yield replace(self, database_url=url)
        finally:
            uvloop.run(_execute(maintenance, f"DROP DATABASE {name} WITH (FORCE)"))

    def environment(self, role: Role) -> dict[str, str]:
        return {
            "BOTKEYS_MODE": "development",  # the mode with an issuer of its own
            "BOTKEYS_EXCHANGES": "real",  # no simulator in the process; no exchange is called
            "BOTKEYS_KEYS_DIR": str(self.folder / role),
            "BOTKEYS_DATABASE_URL": self.database_url,
            "BOTKEYS_RELEASES_PER_HOUR": str(RELEASES_PER_HOUR),
            **{name: str(limit) for name, limit in LIMITS.items()},
        }


@contextmanager
def installation() -> Iterator[Installation]:
    """Start PostgreSQL with the durable settings of development, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="botkeys-bench-"))
    try:
        with EmbeddedPostgres(folder / "postgres") as postgres:
            version = uvloop.run(_prepare_database(postgres))
            _prepare_keys(folder)
            uvloop.run(_register_keys(postgres, KeyFolder(folder / "runtime")))
            uvloop.run(_execute(postgres.url("postgres", "postgres"), _copy(PRISTINE, DATABASE)))
            yield Installation(folder, postgres.url(), version, postgres.pid or 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _prepare_database(postgres: EmbeddedPostgres) -> str:
    await migrate(postgres.url("botkeys_owner"))
    database = open_database(
        postgres.url("postgres"), application_name="botkeys-bench", pool_size=None
    )
    async with database.engine.begin() as connection:
        await connection.execute(text(f"GRANT {', '.join(SERVICE_ROLES)} TO botkeys_service"))
        version = await connection.scalar(text("SHOW server_version"))
    await database.close()
    return str(version)


def _copy(name: str, of: str) -> str:
    """Return the statement that copies a database's files, without writing them to the log."""
    return f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {of} STRATEGY file_copy"


async def _execute(url: str, statement: str) -> None:
    """Execute what cannot be part of a transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _register_keys(postgres: EmbeddedPostgres, folder: KeyFolder) -> None:
    """Register the master keys as a runtime process would: some benchmarks run api alone."""
    database = open_database(postgres.url(), application_name="botkeys-bench", pool_size=None)
    keys = folder.load_private_master_keys()
    async with database.sessions.begin() as session:
        await register(session, {version: key.fingerprint for version, key in keys.items()})
    await database.close()


def _prepare_keys(folder: Path) -> None:
    """Give each role its key files: the public master key or its private half, and others."""
    whole = KeyFolder(folder / "all-keys")
    whole.create_master_key()
    whole.create_missing([KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC])
    DevelopmentIssuer(whole.path)
    both = (KeyKind.AUDIT_HMAC, KeyKind.DEVELOPMENT_ISSUER)
    held = {
        "api": ("master-0001.public", KeyKind.FINGERPRINT_HMAC, *both),
        "runtime": ("master-0001.private", KeyKind.TOKEN_HMAC, *both),
    }
    for role, names in held.items():
        KeyFolder(folder / role).create_missing([])
        for name in names:
            shutil.copy2(whole.path / name, folder / role)
