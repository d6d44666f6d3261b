"""Bots as rows, with what decides about them, read in one statement for one bot or for a page."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, String, literal_column, or_
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.domains.bots.opening_columns import CATALOGUE, CATALOGUE_KNOWN, frozen
from app.domains.bots.opening_rules import (
    OpeningFacts,
    conditions_of,
    facts_blocked_by,
    reasons,
)


class BotRow(NamedTuple):
    """A bot with its presence, its key, and the numbers of its open positions and orders. The
    members from `account_closing` on are those of `OpeningFacts` that have no other place.
    """

    id: UUID
    name: str
    paused: bool
    key_id: UUID | None
    revision: int
    created_at: datetime
    updated_at: datetime
    online: bool
    last_heartbeat_at: datetime | None
    key_label: str | None
    key_exchange: str | None
    key_environment: str | None
    key_contract_type: str | None
    key_active: bool | None
    open_positions: int
    open_orders: int
    account_closing: bool
    frozen: bool
    permission_trade: str | None
    permission_withdraw: str | None
    unverified: bool | None
    verification_status: str | None
    has_enabled_assets: bool
    catalogue_known: bool


_OF_KEY = ("permission_trade", "permission_withdraw", "unverified", "verification_status")
FACTS = {
    "account_closing": "(SELECT closing_at IS NOT NULL FROM accounts WHERE account_id = :account)",
    "frozen": frozen(":account"),
    "paused": "bots.paused",
    "has_key": "(bots.key_id IS NOT NULL)",
    "key_active": "keys.active",
    **{name: f"keys.{name}" for name in _OF_KEY},
    # OFFSET 0 keeps PostgreSQL from reading all assets of the account at once: it expects that
    # every bot of the account is looked at, not only a page of them.
    "has_enabled_assets": """EXISTS (
        SELECT FROM trading_assets
        WHERE account_id = :account AND key_id = keys.id
          AND contract_type = keys.contract_type AND enabled
        OFFSET 0
    )""",
    "catalogue_known": CATALOGUE_KNOWN,
}
"""The SQL of the members of `OpeningFacts`, for `JOINED`."""

JOINED = f"""
    bots
    LEFT JOIN presence ON presence.account_id = bots.account_id AND presence.bot_id = bots.id
    LEFT JOIN keys ON keys.account_id = bots.account_id AND keys.id = bots.key_id
    {CATALOGUE}
"""
ONLINE = "coalesce(presence.lease_until > statement_timestamp(), false)"
_SQL = {
    **{name: f"bots.{name}" for name in BotRow._fields},
    **FACTS,
    "online": ONLINE,
    "last_heartbeat_at": "presence.last_heartbeat_at",
    **{
        f"key_{name}": f"keys.{name}"
        for name in ("label", "exchange", "environment", "contract_type")
    },
    "open_positions": "coalesce(held.positions, 0)",
    "open_orders": "coalesce(resting.orders, 0)",
}
_LATER = ("open_positions", "open_orders")
_COLUMNS = ", ".join(f"{_SQL[name]} AS {name}" for name in BotRow._fields if name not in _LATER)
_MEMBERS = ", ".join(_SQL[name] if name in _LATER else f"bots.{name}" for name in BotRow._fields)


def bots_sql(conditions: str = "", order: str = "", limit: str = "") -> str:
    """Return the statement for the account's bots that meet the conditions, which begin with AND.

    Positions and orders are counted for the whole page, by its ids.
    """
    ordered = f"ORDER BY {order}" if order else ""
    return f"""
        WITH page AS MATERIALIZED (
            SELECT {_COLUMNS} FROM {JOINED}
            WHERE bots.account_id = :account {conditions}
            {ordered} {limit}
        )
        SELECT {_MEMBERS}
        FROM page AS bots
        LEFT JOIN (
            SELECT bot_id, count(*) AS positions
            FROM positions
            WHERE account_id = :account AND bot_id = ANY (ARRAY(SELECT id FROM page))
              AND status IN ('opening', 'open')
              AND (status = 'open' OR expires_at > statement_timestamp())
            GROUP BY bot_id
        ) AS held ON held.bot_id = bots.id
        LEFT JOIN (
            SELECT bot_id, CAST(sum(counted) AS bigint) AS orders
            FROM resting_orders, unnest(counts) AS counted
            WHERE account_id = :account AND bot_id = ANY (ARRAY(SELECT id FROM page))
              AND expires_at > statement_timestamp()
            GROUP BY bot_id
        ) AS resting ON resting.bot_id = bots.id
        {ordered}
    """  # noqa: S608  # built from constants only


class _Columns:
    """The SQL of `OpeningFacts`, as members of the same names."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> object:
        kind = Boolean() if OpeningFacts.__annotations__[name] is bool else String()
        return literal_column(self._facts[name], kind)


def blocked_sql(facts: Mapping[str, str] = FACTS, *, refuse_withdrawal: bool) -> str:
    """Return the condition for bots that may not open positions, made of the rules themselves.

    `facts` are the SQL of the members of `OpeningFacts`.
    """
    holding = reasons(conditions_of(_Columns(facts), refuse_withdrawal=refuse_withdrawal))
    clause = or_(*holding.values())
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    return str(clause.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def blocked_by_of(row: BotRow, *, refuse_withdrawal: bool) -> tuple[str, ...]:
    """Return why the bot may open no position now."""
    facts = OpeningFacts(
        row.account_closing,
        row.frozen,
        row.paused,
        row.key_id is not None,
        bool(row.key_active),
        row.permission_trade or "",
        row.permission_withdraw or "",
        bool(row.unverified),
        row.verification_status or "",
        row.has_enabled_assets,
        row.catalogue_known,
    )
    return facts_blocked_by(facts, refuse_withdrawal=refuse_withdrawal)
