"""The rules for rows: at every commit (`rules.sql`), and for all rows at the end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.driver import driver_connection
from app.db.engine import open_database
from app.db.lending import Driver
from tests.support.database import Server
from tests.support.world import World

RULES = Path(__file__).with_name("rules.sql").read_text()
AT_EACH_COMMIT = "The rules are checked at each commit by triggers that write to one journal."
"""Why Citus, where a trigger runs on the node with the row, has nothing that watches commits."""

_CHECKS = "-- Returns why"
"""The beginning of what is not tables and views."""

STANDSTILL = "\n".join(
    f"""
    CREATE FUNCTION {table}_stand_still() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.{end} := CASE WHEN NEW.{end} > clock_timestamp()
            THEN clock_timestamp() + interval '1 day' ELSE NEW.{end} END;
        RETURN NEW;
    END $$;
    CREATE TRIGGER stand_still BEFORE INSERT OR UPDATE OF {end} ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_stand_still();
    """
    for table, end in (("presence", "lease_until"), ("positions", "expires_at"))
)

# Each query finds rows that must not exist, with their account.
INVARIANTS = {
    "a key with two bots": """
        SELECT account_id FROM bots WHERE key_id IS NOT NULL
        GROUP BY account_id, key_id HAVING count(*) > 1""",
    "a bot with a key that is gone": """
        SELECT bots.account_id FROM bots LEFT JOIN keys
            ON keys.account_id = bots.account_id AND keys.id = bots.key_id
        WHERE bots.key_id IS NOT NULL AND keys.id IS NULL""",
    "credentials without a key": """
        SELECT key_credentials.account_id FROM key_credentials LEFT JOIN keys
            ON keys.account_id = key_credentials.account_id AND keys.id = key_credentials.key_id
        WHERE keys.id IS NULL""",
    "a key without credentials": """
        SELECT keys.account_id FROM keys LEFT JOIN key_credentials
            ON keys.account_id = key_credentials.account_id AND keys.id = key_credentials.key_id
        WHERE key_credentials.key_id IS NULL""",
    "a token or presence without a bot": """
        SELECT belonging.account_id FROM (
            SELECT account_id, bot_id FROM bot_tokens UNION ALL
            SELECT account_id, bot_id FROM presence) AS belonging
            LEFT JOIN bots
            ON bots.account_id = belonging.account_id AND bots.id = belonging.bot_id
        WHERE bots.id IS NULL""",
    "an asset without a key": """
        SELECT assets.account_id FROM trading_assets AS assets LEFT JOIN keys
            ON keys.account_id = assets.account_id AND keys.id = assets.key_id
        WHERE keys.id IS NULL""",
    "a reservation on a key that its bot has not": """
        SELECT held.account_id FROM held LEFT JOIN bots
            ON bots.account_id = held.account_id AND bots.id = held.bot_id
        WHERE held.status = 'opening' AND bots.key_id IS DISTINCT FROM held.key_id""",
    "a position of which no label tells the key": """
        SELECT positions.account_id FROM positions LEFT JOIN key_labels AS labels
            ON labels.account_id = positions.account_id AND labels.key_id = positions.key_id
        WHERE labels.key_id IS NULL""",
    # The audit log is in the order of the commits.
    "a bot or key changed after it was deleted": """
        SELECT later.account_id FROM audit_events AS later JOIN audit_events AS gone
            ON gone.account_id = later.account_id AND gone.sequence < later.sequence
            AND gone.action IN ('bot.delete', 'key.delete') AND gone.outcome = 'allowed'
            AND gone.target_id IN (later.target_id, later.details ->> 'key_id')
        WHERE later.outcome = 'allowed'""",
}


@asynccontextmanager
async def superuser(world: World, server: Server) -> AsyncIterator[Driver]:
    """Yield a connection to this world's database that may do anything."""
    name = world.context.database.engine.url.database
    assert name is not None
    url = server.url(name, superuser=True)
    database = open_database(url, application_name="botkeys-watch", pool_size=None)
    async with database.engine.connect() as connection:
        yield await driver_connection(connection)
    await database.close()


async def keep_watch(world: World, server: Server) -> None:
    """Check every commit from now on against the rules.

    On Citus nothing watches the commits, and the record of broken rules stays empty.
    """
    async with superuser(world, server) as driver:
        await driver.execute(RULES if server.cluster is None else RULES.split(_CHECKS)[0])
        await driver.execute("GRANT SELECT ON broken_rules, journal, held TO PUBLIC")


async def stop_time(world: World, server: Server) -> None:
    """Keep every lease and reservation from expiring by itself, however slow the machine is.

    They end only when their end is set to the past.
    """
    async with superuser(world, server) as driver:
        await driver.execute(STANDSTILL)


async def last_turn(driver: Driver) -> int:
    return int(await driver.fetchval("SELECT coalesce(max(commit_order), 0) FROM journal"))


async def broken_since(driver: Driver, turn: int) -> list[str]:
    """Return the rules that were broken after this commit."""
    query = "SELECT DISTINCT rule FROM broken_rules WHERE commit_order > $1 ORDER BY rule"
    return [row["rule"] for row in await driver.fetch(query, turn)]


async def broken_in(world: World, account_id: UUID) -> list[str]:
    """Return the rules that were ever broken in this account."""
    query = text(
        "SELECT DISTINCT rule FROM broken_rules"
        " WHERE :account IN (before ->> 'account_id', after ->> 'account_id') ORDER BY rule"
    )
    async with world.context.database.sessions() as session:
        return list(await session.scalars(query, {"account": str(account_id)}))


async def violations(world: World, account_id: UUID | None = None) -> dict[str, int]:
    """Return the rules broken since the watch began and those that do not hold now.

    Of one account, or of all by default.
    """
    account = {"account": None if account_id is None else str(account_id)}
    async with world.context.database.sessions() as session:
        broken = await session.execute(
            text(
                "SELECT rule, count(*) AS times FROM broken_rules"
                " WHERE cast(:account AS text) IS NULL"
                " OR :account IN (before ->> 'account_id', after ->> 'account_id')"
                " GROUP BY rule ORDER BY rule"
            ),
            account,
        )
        found: dict[str, int] = {row.rule: row.times for row in broken}
        for name, query in INVARIANTS.items():
            count = await session.scalar(
                text(
                    f"SELECT count(*) FROM ({query}) AS found"  # noqa: S608  # constants only
                    " WHERE account_id = coalesce(cast(:account AS uuid), account_id)"
                ),
                account,
            )
            if count:
                found[name] = count
    return found


async def story(world: World, last: int = 12) -> str:
    """Return the commits before the first broken rule, oldest first."""
    async with world.context.database.sessions() as session:
        rows = await session.execute(
            text(
                "SELECT * FROM (SELECT * FROM journal WHERE commit_order <= coalesce("
                "   (SELECT min(commit_order) FROM broken_rules), 0)"
                " ORDER BY commit_order DESC LIMIT :last) AS newest ORDER BY commit_order"
            ),
            {"last": last},
        )
        return "\n".join(_line(row) for row in rows)


def _line(row: Any) -> str:
    before, after = row.before or {}, row.after or {}
    changed = {
        name: after.get(name, before.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name) or name in ("id", "symbol", "key_id", "bot_id")
    }
    return f"{row.commit_order} {row.operation} {row.relation} {json.dumps(changed)}"
