"""The database of the demo, set up and looked into with PostgreSQL's own programs."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import Iterable
from pathlib import Path

from app.db.embedded import EmbeddedPostgres
from app.db.embedded.binaries import find_binaries
from examples.story import StepFailed

OWNER = "botkeys_owner"
_KNOWN = "botkeys_service"
"""A login that the embedded server lets in, as it shall let in those of the roles."""


def login_of(role: str) -> str:
    return f"{role}_login"


async def let_in(postgres: EmbeddedPostgres, roles: Iterable[str]) -> None:
    """Accept the roles' logins from this user over the socket, where no password is needed."""
    logins = [login_of(role) for role in roles]
    rules, names = (postgres.folder / name for name in ("pg_hba.conf", "pg_ident.conf"))
    rules.write_text(rules.read_text().replace(_KNOWN, ",".join((_KNOWN, *logins))))
    known = names.read_text()
    beginning = known.splitlines()[-1].removesuffix(_KNOWN)
    names.write_text(known + "".join(f"{beginning}{login}\n" for login in logins))
    await _execute(postgres, "postgres", "SELECT pg_reload_conf()")


async def create_logins(postgres: EmbeddedPostgres, roles: Iterable[str]) -> None:
    """Create a login for each role, as docs/deployment.md does after the migration."""
    for role in roles:
        login = login_of(role)
        await _execute(
            postgres,
            OWNER,
            f"CREATE ROLE {login} LOGIN IN ROLE botkeys_{role}",
            # The embedded server's database is closed to all that are not let in by name.
            f"GRANT CONNECT ON DATABASE botkeys TO {login}",
        )


async def dump(data: Path) -> bytes:
    """Return the whole database as `pg_dump` writes it, and the roles."""
    address = EmbeddedPostgres(data / "postgres").url("postgres")
    parts = [
        await _output("pg_dump", "--dbname", address),
        await _output("pg_dumpall", "--globals-only", "--dbname", address),
    ]
    return b"".join(parts)


async def _execute(postgres: EmbeddedPostgres, login: str, *statements: str) -> None:
    commands = [part for statement in statements for part in ("--command", statement)]
    options = ("--no-psqlrc", "--set", "ON_ERROR_STOP=1")
    await _output("psql", *options, *commands, "--dbname", postgres.url(login))


async def _output(program: str, *arguments: str) -> bytes:
    folder = find_binaries(for_another_user=False).folder
    process = await asyncio.create_subprocess_exec(folder / program, *arguments, stdout=PIPE)
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise StepFailed(f"{program} ended with status {process.returncode}")
    return output
