"""A deletion forgets no table, not even one that is created later.

The tables are read from the database's catalog, and each is filled with a row of an account. A new
table with `account_id` or `key_id` fails here until its fate is decided.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.engine import Database
from app.worker.purging import purge_deleted
from tests.support.world import Bot, World

KEPT_OF_AN_ACCOUNT = {
    "accounts": "remembers which tokens are dead, and which operation tells of the closure",
    "audit_events": "kept for its retention",
    "audit_heads": "the newest link of the audit log",
    "operations": "the closure alone, so that its end can be seen",
}
OF_THE_OWNER = {"audit_starts"}
"""What no login of the service may write: where a log begins after entries were retired."""

KEPT_OF_A_KEY = {
    "assignments": "ids alone: a bot that had the key learns that its late reports were deleted",
    "deletion_marks": "refuses late reports of the key",
    "events": "its deletion alone, without its label, so that who follows the account hears of it",
    "releases": "ids and an address: the history of the bot, which stays",
}
_VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "bytea": r"decode(repeat('00', 32), 'hex')",
    "boolean": "true",
    "bigint": "1",
    "integer": "1",
    "numeric": "1",
    "date": "current_date",
    "timestamp with time zone": "statement_timestamp() - interval '1 day'",
    "jsonb": "'{}'",
    "ARRAY": "'{}'",
}
_WORDS = {
    "environment": "'testnet'",
    "selected_environment": "'testnet'",
    "contract_type": "'linear'",
    "side": "'long'",
    "direction": "'long'",
    "level": "'info'",
    "margin_mode": "'cross'",
    "nonce": r"decode(repeat('00', 12), 'hex')",
    "outcome": "'allowed'",
    "verification_status": "'verified'",
    "permission_read": "'yes'",
    "permission_trade": "'yes'",
    "permission_withdraw": "'no'",
    "permission_ip_restricted": "'no'",
}
_OF_TABLE = {
    "freezes": {"scope": "'key'"},
    "operations": {"kind": "'delete_data'", "status": "'queued'", "scope": """'{"marks": []}'"""},
    "positions": {"status": "'closed'", "close_reason": "'reported'"},
    "trade_days": {"scope": "1"},
    "webhook_deliveries": {"next_attempt_at": "statement_timestamp()"},
    "webhooks": {"format": "'standard'"},
}
_AFTER_OTHERS = ("import_", "webhook_deliveries")
"""Tables, or what their names begin with, whose rows belong to rows of others."""


async def tables_with(database: Database, column: str) -> set[str]:
    """Return the tables with the column; `bots` is exempt, as an assigned key cannot be deleted."""
    query = text(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = :column"
        " AND (table_name, column_name) <> ('bots', 'key_id')"
    )
    async with database.sessions() as session:
        return set((await session.scalars(query, {"column": column})).all())


async def rows_of(database: Database, table: str, column: str, value: UUID) -> int:
    query = text(f"SELECT count(*) FROM {table} WHERE {column} = :value")  # noqa: S608
    async with database.sessions() as session:
        count: int = (await session.execute(query, {"value": value})).scalar_one()
    return count


async def add_row(database: Database, table: str, **known: UUID) -> None:
    """Add a row with these values in the columns that exist, and anything in the others."""
    query = text(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = :table"
        " AND (is_nullable = 'NO' OR column_name = ANY (:known)"
        " OR column_name IN ('close_reason', 'key_id', 'import_id', 'next_attempt_at'))"
        " AND column_default IS NULL"
    )
    async with database.sessions.begin() as session:
        columns = (await session.execute(query, {"table": table, "known": list(known)})).all()
        values = [_value(table, name, kind, known) for name, kind in columns]
        # Citus takes no subqueries among values.
        for number, value in enumerate(values):
            if value.startswith("(SELECT"):
                values[number] = f"'{await session.scalar(text(value))}'"
        names = ", ".join(column for column, _ in columns)
        await session.execute(
            text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(values)})")  # noqa: S608
        )


def _value(table: str, column: str, data_type: str, known: dict[str, Any]) -> str:
    if column in known:
        return f"'{known[column]}'"
    if column == "webhook_id":
        return f"(SELECT id FROM webhooks WHERE account_id = '{known['account_id']}')"  # noqa: S608
    if column == "import_id":
        return (
            "(SELECT coalesce(max(id::text)::uuid, gen_random_uuid()) FROM operations"  # noqa: S608
            f" WHERE account_id = '{known['account_id']}')"
        )
    return _OF_TABLE.get(table, {}).get(column) or _WORDS.get(column) or _VALUES[data_type]


async def fill_all(world: World, column: str, bot: Bot, key_id: str) -> set[str]:
    """Add a row to every table with the column; return the tables."""
    database = world.context.database
    known = {"account_id": bot.account_id, "bot_id": bot.id, "key_id": UUID(key_id)}
    tables = await tables_with(database, column) - OF_THE_OWNER
    for table in sorted(tables, key=lambda name: (name.startswith(_AFTER_OTHERS), name)):
        if not await rows_of(database, table, column, known[column]):
            await add_row(database, table, **known)
        assert await rows_of(database, table, column, known[column]), table
    return tables


async def left_in(database: Database, tables: set[str], column: str, value: UUID) -> set[str]:
    return {table for table in tables if await rows_of(database, table, column, value)}


async def test_of_a_closed_account_nothing_is_left_in_any_table(world: World) -> None:
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    tables = await fill_all(world, "account_id", bot, key["id"])

    answer = await user.delete("/v1/account?force=true")
    assert answer.status_code == 202, answer.text
    assert await purge_deleted(database.sessions) == 1

    left = await left_in(database, tables, "account_id", bot.account_id)
    assert left == KEPT_OF_AN_ACCOUNT.keys()
    assert await rows_of(database, "operations", "account_id", bot.account_id) == 1


async def test_of_a_key_that_goes_with_its_data_nothing_is_left_in_any_table(world: World) -> None:
    user, database = world.user(), world.context.database
    bot, _, key = await user.ready_bot()
    await user.delete(f"/v1/bots/{bot.id}/key")
    tables = await fill_all(world, "key_id", bot, key["id"])

    answer = await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    assert answer.status_code == 202, answer.text
    assert await purge_deleted(database.sessions) == 1

    left = await left_in(database, tables, "key_id", UUID(key["id"]))
    assert left == KEPT_OF_A_KEY.keys()
    assert not await rows_of(database, "keys", "id", UUID(key["id"]))
    (event,) = (await user.get(f"/v1/events?key_id={key['id']}")).json()["items"]
    assert event["type"] == "key.deleted"
    assert "label" not in event["data"]
