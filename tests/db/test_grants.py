"""The rights of the roles: stated as the migrations leave them, and given again after a restore."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.db.embedded import EmbeddedPostgres
from app.db.embedded.binaries import find_binaries
from app.db.engine import Database, open_database
from app.db.granted import GRANTS
from app.db.grants import NotMigrated, complete, grant_again, statements
from app.db.migrate import migrate
from app.db.roles import ROLES
from app.db.schema_version import head
from tests.support.database import FAST, HIDE_SHARDS, Server, database_copy, execute


async def test_the_rights_that_are_stated_are_those_of_the_migrations(
    shared_database: Database,
) -> None:
    """Where this fails, `python -m scripts.grants --write` states what the migrations give."""
    async with shared_database.engine.connect() as connection:
        await connection.execute(HIDE_SHARDS)
        assert await statements(connection) == GRANTS


async def rights(url: str) -> tuple[str, ...]:
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            return await statements(connection)
    finally:
        await database.close()


def run(program: str, *arguments: str | Path) -> None:
    folder = find_binaries(for_another_user=False).folder
    subprocess.run([folder / program, *arguments], check=True)  # noqa: S603


@pytest.mark.one_server("A dump of a coordinator needs the extension where it is restored.")
async def test_a_dump_restored_on_a_server_without_the_roles_gets_all_rights_again(
    server: Server, tmp_path: Path
) -> None:
    """The dump has no owners and no privileges, as one for another server must be."""
    dump = tmp_path / "dump"
    async with database_copy(server) as name:
        run("pg_dump", "-Fc", "--no-owner", "--no-privileges", "-f", dump, source(server, name))
    with EmbeddedPostgres(tmp_path / "postgres", settings=FAST) as other:
        await execute(other.url("postgres", "postgres"), "CREATE DATABASE restored")
        url = other.url("postgres", "restored")
        run("pg_restore", "--no-owner", "--no-privileges", "-d", url, dump)
        assert await migrate(url) == head(), "the tables are as they were"
        assert not await complete(url)
        assert not [line for line in await rights(url) if "botkeys_" in line]

        for _ in range(2):
            await asyncio.gather(*(grant_again(url) for _ in range(3)), migrate(url))
            assert await rights(url) == GRANTS
        assert await complete(url)

        await execute(
            url,
            "GRANT botkeys_runtime TO botkeys_service",
            "GRANT ALL ON master_keys TO botkeys_api",
            "GRANT UPDATE (version_num) ON alembic_version TO botkeys_worker",
        )
        assert not await complete(url)
        await grant_again(url)
        assert await rights(url) == GRANTS, "what is too much is taken away"
        await execute(other.url("botkeys_service", "restored"), "SELECT count(*) FROM bot_tokens")

        await execute(url, "UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(NotMigrated, match="Run `botkeys migrate`"):
            await grant_again(url)


def source(server: Server, name: str) -> str:
    """Return the address of a database in libpq's form."""
    return make_url(server.superuser).set(database=name).render_as_string(hide_password=False)


async def test_every_role_of_the_service_has_rights(shared_database: Database) -> None:
    async with shared_database.engine.connect() as connection:
        found = await connection.scalars(
            text("SELECT rolname FROM pg_roles WHERE rolname = ANY (:roles)"), {"roles": [*ROLES]}
        )
        assert set(found) == set(ROLES)
    for role in ROLES:
        assert any(line.endswith(f"TO {role}") for line in GRANTS)
