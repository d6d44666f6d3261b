"""What the purge worker's functions refuse, whatever a taken worker passes to them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.failures import sqlstate
from app.domains.operations import claims
from app.domains.trading.kinds import KINDS
from app.domains.trading.marks import FOREVER
from tests.support.browsers import signed_in_at
from tests.support.purging import each, fill, left
from tests.support.split import Split

PURGE = """
    SELECT purge_rows(:account, :operation, :claim, 30, :kind, 'testnet', :key,
        CAST(:cutoff AS timestamptz), NULL, NULL, NULL, NULL, NULL, NULL)
"""


async def account_with_data(split: Split, account: str) -> tuple[UUID, str]:
    key = await split.add_key(account, 1)
    bot = await split.add_bot(account, key["id"])
    await fill(split.superuser, bot.account_id, key["id"], bot_id=bot.id)
    return bot.account_id, key["id"]


async def called(split: Split, statement: str, **values: Any) -> Any:
    """Return what the function returns to the purge worker, with its effects kept."""
    async with split.databases["purge"].sessions.begin() as session:
        return await session.scalar(text(statement), values)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
async def test_rows_that_no_mark_covers_are_not_purged(split: Split, kind: str) -> None:
    """Rule R50. Not even with an operation of the same account that one has claimed."""
    account_id, key_id = await account_with_data(split, "alice")
    before = await left(split.superuser, account_id)
    old = {"scope": "before", "before": "2020-01-01T00:00:00Z"}
    begun = await split.user("alice").post("/v1/data-deletions", old)
    assert begun.status_code == 202, begun.text
    async with split.databases["purge"].sessions.begin() as session:
        claimed = await claims.claim_next(session, 30)
    assert claimed is not None
    mine = {"account": account_id, "operation": claimed.id, "claim": claimed.claim, "kind": kind}

    before_that = datetime(2020, 1, 1, tzinfo=UTC)
    later = before_that + timedelta(days=1)
    for key, cutoff in ((UUID(key_id), FOREVER), (None, FOREVER), (None, later)):
        with pytest.raises(DBAPIError) as refused:
            await called(split, PURGE, **mine, key=key, cutoff=cutoff)
        assert sqlstate(refused.value) == "42501"
    assert await called(split, PURGE, **mine, key=None, cutoff=before_that) == 0
    mine["claim"] = UUID(int=0)
    assert await called(split, PURGE, **mine, key=None, cutoff=before_that) is None
    assert await left(split.superuser, account_id) == before


async def test_an_account_that_is_not_being_closed_is_not_forgotten(split: Split) -> None:
    """Rule R50."""
    account_id, _ = await account_with_data(split, "alice")
    await split.user("alice").post("/v1/data-deletions", {"scope": "all"})
    async with split.databases["purge"].sessions.begin() as session:
        claimed = await claims.claim_next(session, 30)
    assert claimed is not None
    forget = "SELECT forget_account(:account, :operation, :claim)"
    mine = {"account": account_id, "operation": claimed.id, "claim": claimed.claim}
    assert await called(split, forget, **mine) is False
    async with split.superuser.sessions() as session:
        marks = text("SELECT count(*) FROM deletion_marks WHERE account_id = :account")
        assert await session.scalar(marks, {"account": account_id}) == 1


async def test_nothing_lapses_or_expires_before_its_time(split: Split) -> None:
    """Rule R50. The worker may ask for any time; the functions know better."""
    account_id, key_id = await account_with_data(split, "alice")
    await split.write(
        "UPDATE positions SET status = 'opening', close_reason = NULL, closed_at = NULL,"
        " expires_at = now() + interval '1 minute' WHERE id = 'r1'",
        "INSERT INTO releases (account_id, id, bot_id, key_id, version, suite, address)"
        " SELECT account_id, gen_random_uuid(), id, key_id, 1, 'x25519', '' FROM bots",
        "INSERT INTO purged_positions SELECT account_id, id, sha256(''), now() FROM bots",
    )
    again = {"Idempotency-Key": "one-two-three"}
    await split.user("alice").post("/v1/bots", {"name": "other"}, headers=again)

    await signed_in_at(split.api.app, split.api.context, split.superuser)
    await split.write("UPDATE dashboard_sessions SET ended_at = now() - interval '23 hours'")
    assert await called(split, "SELECT sweep_sessions('-1 year', 1000)") == 0
    assert await called(split, "SELECT lapse_openings('-1 year', 1000)") == 0
    for table in ("idempotency_records", "releases", "operations", "purged_positions"):
        sweep = "SELECT sweep_expired(:table, '-1 year', 1000)"
        assert await called(split, sweep, table=table) == 0
    for table in ("accounts", "keys", "audit_events", "positions"):
        with pytest.raises(DBAPIError):
            await called(split, sweep, table=table)
    await called(split, "SELECT forget_labels(:account)", account=account_id)
    async with split.superuser.sessions() as session:
        labels = text("SELECT count(*) FROM key_labels WHERE key_id = :key")
        assert await session.scalar(labels, {"key": UUID(key_id)}) == 1
    assert await left(split.superuser, account_id) == {**each(3), "bot_events": 3}


async def test_labels_go_without_a_look_at_all_trades(split: Split) -> None:
    """A key's label goes with its mark, or because one look at an index finds no row of the key."""
    account_id, key_id = await account_with_data(split, "alice")
    label = (
        "INSERT INTO key_labels (account_id, key_id, label, exchange, environment, contract_type)"
        " SELECT account_id, gen_random_uuid(), '{}', exchange, environment, contract_type"
        " FROM keys"
    )
    await split.write(
        "INSERT INTO trades (account_id, bot_id, id, key_id, exchange, environment, contract_type,"
        " symbol, side, quantity, entry_price, exit_price, fees, opened_at, closed_at)"
        " SELECT account_id, bot_id, trades.id || n, key_id, exchange, environment, contract_type,"
        " symbol, side, 1, 1, 1, 0, opened_at, closed_at"
        " FROM trades, generate_series(10, 500) AS n",
        "ANALYZE trades",
        label.format("without rows"),
        label.format("deleted with its data"),
        "INSERT INTO deletion_marks (account_id, id, key_id, cutoff) SELECT account_id,"
        " gen_random_uuid(), key_id, 'infinity' FROM key_labels WHERE label LIKE 'deleted%'",
    )
    looked_at = text(
        "SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class"
        " WHERE oid = 'trades'::regclass"
        " OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'trades'::regclass)"
    )
    async with split.databases["purge"].sessions.begin() as session:
        before = await session.scalar(looked_at)
        await session.execute(text("SELECT forget_labels(:account)"), {"account": account_id})
        assert await session.scalar(looked_at) - before < 10
    async with split.superuser.sessions() as session:
        labels = await session.scalars(text("SELECT key_id FROM key_labels"))
        assert list(labels) == [UUID(key_id)]
