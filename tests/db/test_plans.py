"""Plans of prepared statements are kept where every statement finds its rows by keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.context import Context
from app.custody.keyfiles import KeyFolder
from app.db.driver import Statement
from app.db.engine import Database, open_database
from app.db.nodes import IS_CITUS
from app.domains.bots.config_rows import ConfigReader
from app.process.startup import open_context
from app.settings import Role
from tests.support.split import HELD, hand_out

_MODE = Statement(text("SHOW plan_cache_mode"))
_CLUSTER = Statement(text(f"SELECT {IS_CITUS}"))
_PLANS = Statement(
    text(
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements"
        " WHERE statement LIKE '%bit_xor%unnest%' AND statement NOT LIKE '%generic_plans%'"
    )
)
_NOBODY = (UUID(int=0), UUID(int=0))


def _url(database: Database) -> str:
    url = database.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


@asynccontextmanager
async def opened(of: Database, *, same_plans: bool) -> AsyncIterator[Database]:
    """Yield a pool of one connection to the same database."""
    database = open_database(_url(of), application_name="plans", pool_size=1, same_plans=same_plans)
    try:
        yield database
    finally:
        await database.close()


async def test_plans_are_kept_on_every_connection_but_not_in_a_cluster(
    copied_database: Database,
) -> None:
    ((cluster,),) = await copied_database.autocommit.fetch(_CLUSTER)
    for same_plans in (True, False):
        async with opened(copied_database, same_plans=same_plans) as database:
            kept = "force_generic_plan" if same_plans and not cluster else "auto"
            for _ in range(2):
                ((mode,),) = await database.autocommit.fetch(_MODE)
                assert mode == kept
                async with database.engine.connect() as connection:
                    assert await connection.scalar(text("SHOW plan_cache_mode")) == kept
                    await connection.invalidate()  # the next one is a new one


@pytest.mark.one_server("A cluster plans statements by their values.")
@pytest.mark.parametrize("same_plans", [True, False])
async def test_configurations_are_planned_once_for_all_values(
    copied_database: Database, same_plans: bool
) -> None:
    async with opened(copied_database, same_plans=same_plans) as database:
        reader = ConfigReader(database.autocommit)
        for count in range(1, 21):
            await reader.glance([_NOBODY] * count)
        ((custom, generic),) = await database.autocommit.fetch(_PLANS)
    assert custom + generic == 20
    assert (custom == 0) is same_plans


@pytest.mark.parametrize("role", Role)
async def test_a_process_for_bots_keeps_its_plans(
    shared_context: Context, copied_database: Database, tmp_path: Path, role: Role
) -> None:
    """Users' lists depend on what is looked for: there the values decide on the plan."""
    ((cluster,),) = await copied_database.autocommit.fetch(_CLUSTER)
    settings = shared_context.settings
    keys = KeyFolder(settings.keys_folder)
    every = tuple(file.name for file in keys.path.iterdir())
    folder = hand_out(keys, tmp_path / "keys", HELD.get(role, every))
    url = SecretStr(_url(copied_database))
    settings = settings.model_copy(update={"database_url": url, "keys_dir": folder})
    async with open_context(settings, role) as context:
        ((mode,),) = await context.database.autocommit.fetch(_MODE)
    kept = role is Role.RUNTIME and not cluster
    assert mode == ("force_generic_plan" if kept else "auto")
