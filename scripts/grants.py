"""Compare `app/db/granted.py` with what the migrations lead to, or write it with `--write`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from app.db.embedded import EmbeddedPostgres
from app.db.engine import open_database
from app.db.granted import GRANTS
from app.db.grants import statements
from app.db.migrate import migrate

FILE = Path(__file__).resolve().parents[1] / "app" / "db" / "granted.py"
HEADING = '''"""Every right of the service's roles after the newest migration.

Made by `python -m scripts.grants --write`, from a database that the migrations have made.
"""

# fmt: off
# ruff: noqa: E501
'''


def module(granted: tuple[str, ...]) -> str:
    lines = "".join(f'    "{statement}",\n' for statement in granted)
    return f"{HEADING}GRANTS = (\n{lines})\n"


async def migrated(url: str) -> tuple[str, ...]:
    await migrate(url)
    database = open_database(url, application_name="botkeys-check", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            return await statements(connection)
    finally:
        await database.close()


def main(arguments: list[str]) -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"fsync": "off"}) as postgres,
    ):
        granted = asyncio.run(migrated(postgres.url("botkeys_owner")))
    if "--write" in arguments:
        FILE.write_text(module(granted))
    elif granted != GRANTS:
        for statement in sorted(set(granted) ^ set(GRANTS)):
            print(statement, file=sys.stderr)
        print("Rights differ: run `python -m scripts.grants --write`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
