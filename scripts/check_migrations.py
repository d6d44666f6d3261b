"""Check that the migrations are sound and match the models; exit with 1 if not."""

import asyncio
import io
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from alembic import command
from alembic.util import CommandError

from app.db.embedded import EmbeddedPostgres
from app.db.engine import open_database
from app.db.migrate import STATEMENT_TIMEOUT, alembic_config, check, migrate
from app.db.migration_locks import LOCK_SECONDS

SQUAWK = Path(sys.executable).with_name("squawk")

# The settings of the connection that `app.db.migrate` passes to Alembic.
_TIMEOUTS = f"SET lock_timeout = '{LOCK_SECONDS}s'; SET statement_timeout = '{STATEMENT_TIMEOUT}';"
_FIRST = "-- Running upgrade"


def migration_sql() -> str:
    """Return the SQL of all migrations, without Alembic's own table and transactions."""
    output = io.StringIO()
    config = alembic_config()
    config.output_buffer = output
    with redirect_stdout(output):
        command.upgrade(config, "head", sql=True)
    sql = output.getvalue()
    ours = sql[sql.index(_FIRST) :].splitlines()
    return "\n".join([_TIMEOUTS, *(line for line in ours if line not in {"BEGIN;", "COMMIT;"})])


def lint(sql: str) -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(sql)
        file.flush()
        done = subprocess.run(  # noqa: S603  # a pinned tool, on a file of our own
            [SQUAWK, "--assume-in-transaction", "--pg-version", "15", file.name],
            check=False,
        )
    return done.returncode == 0


async def drift(url: str) -> str | None:
    await migrate(url)
    database = open_database(url, application_name="botkeys-check", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(check)
    except CommandError as error:
        return str(error)
    finally:
        await database.close()
    return None


def main() -> int:
    if not lint(migration_sql()):
        return 1
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"fsync": "off"}) as postgres,
    ):
        difference = asyncio.run(drift(postgres.url("botkeys_owner")))
    if difference is not None:
        print(f"The models and the migrations differ: {difference}", file=sys.stderr)
        return 1
    print("Migrations: sound, and at what the models say.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
