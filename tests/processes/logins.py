"""A PostgreSQL with production's logins: one for each role, none owning anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from tests.support.database import FAST, execute
from tests.support.logins import documented_logins

GRANTS = {**documented_logins(), "worker": ("botkeys_worker",)}
"""The roles of each login: the documented ones, and the worker of earlier versions."""

OWNER = "test_owner"
WEAK_OWNER = "test_weak_owner"
LOGINS = (*(f"test_{login}" for login in GRANTS), OWNER, WEAK_OWNER)


class Addresses(Protocol):
    """A server with production's logins: it knows the address of each."""

    def url(self, login: str, database: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Logins:
    postgres: EmbeddedPostgres

    def url(self, login: str, database: str) -> str:
        """Return the URL of `login`, a role of the service or a login of the server."""
        name = f"test_{login}" if login in GRANTS else login
        return self.postgres.url(name, database)

    async def new_database(self, owner: str = OWNER) -> str:
        name = f"production_{uuid4().hex}"
        await execute(
            self.postgres.url("postgres", "postgres"), f"CREATE DATABASE {name} OWNER {owner}"
        )
        return name

    async def migrated(self) -> str:
        name = await self.new_database()
        await migrate(self.url(OWNER, name))
        grants = [f"GRANT {', '.join(roles)} TO test_{login}" for login, roles in GRANTS.items()]
        await execute(self.postgres.url("postgres", "postgres"), *grants)
        return name


@contextmanager
def running(folder: Path) -> Iterator[Logins]:
    with EmbeddedPostgres(folder / "postgres", settings=FAST) as postgres:
        yield Logins(postgres)


async def make_logins(logins: Logins) -> None:
    """Accept the test's own logins as the embedded server accepts its three."""
    rules, names = (logins.postgres.folder / name for name in ("pg_hba.conf", "pg_ident.conf"))
    rules.write_text(rules.read_text().replace("local all ", f"local all {','.join(LOGINS)},"))
    known = names.read_text()
    user = known.splitlines()[-1].split()[1]
    names.write_text(known + "".join(f"botkeys {user} {login}\n" for login in LOGINS))
    await execute(
        logins.postgres.url("postgres", "postgres"),
        "SELECT pg_reload_conf()",
        *(f"CREATE ROLE {login} LOGIN" for login in LOGINS),
        f"ALTER ROLE {OWNER} CREATEROLE",
    )
