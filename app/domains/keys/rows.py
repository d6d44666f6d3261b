"""Keys as rows, with what decides about them, read in one statement for one key or for a page.

Hot path: the list of keys. Assets, positions and freezes are read once for the whole page, by the
page's ids, and not once for each of its keys.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.domains.bots.opening_columns import CATALOGUE, CATALOGUE_KNOWN, freeze_of_key, wide_freezes
from app.domains.bots.opening_rules import OpeningFacts, facts_blocked_by
from app.domains.keys.states import EXPIRING, KeyState, Standing, Times, key_state


class KeyRow(NamedTuple):
    """A key with its bot and without its fingerprint. The fields are named like the table's
    columns, up to `updated_at`.

    `frozen_by` is the widest scope of the freezes that apply to the key, and `frozen_since` the
    time of the first. Assets are those of the key's contract type; the open positions those that
    lock the key. `expires` is as in `Standing`.
    """

    id: UUID
    label: str
    exchange: str
    environment: str
    region: str | None
    contract_type: str
    masked_key: str
    active: bool
    permission_read: str
    permission_trade: str
    permission_withdraw: str
    permission_ip_restricted: str
    expires_at: datetime | None
    verification_status: str
    verification_reason: str | None
    verification_possible: list[str] | None
    verification_code: str | None
    verification_checked_at: datetime | None
    verification_since: datetime | None
    active_since: datetime | None
    unverified: bool
    last_release_at: datetime | None
    last_release_from: str | None
    public_key: str | None
    awaiting_api_key: bool
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime
    bot_id: UUID | None
    bot_name: str | None
    bot_paused: bool
    account_closing: bool
    frozen_by: str | None
    frozen_since: datetime | None
    catalogue_known: bool
    assets: int
    enabled_assets: int
    open_positions: int
    expires: str


EXPIRES = f"""
    CASE WHEN keys.expires_at <= statement_timestamp() THEN 'past'
         WHEN keys.expires_at <= statement_timestamp() + interval '{EXPIRING.total_seconds()} s'
         THEN 'near' ELSE '' END
"""
"""Whether the key's expiry is past or near, by the database's clock: see `Standing`."""

WIDE = f"SELECT exchange, created_at, scope FROM freezes WHERE {wide_freezes(':account')}"  # noqa: S608  # built from constants only
FROZEN = f"""
    LEFT JOIN LATERAL (
        SELECT min(applying.created_at) AS since, min(applying.scope) AS widest
        FROM (
            SELECT created_at, scope FROM wide
            WHERE wide.exchange IS NULL OR wide.exchange = keys.exchange
            UNION ALL
            SELECT created_at, scope FROM freezes WHERE {freeze_of_key(":account")}
        ) AS applying
    ) AS frozen ON true
"""  # noqa: S608  # built from constants only
"""The freezes of a key: their scopes are in the order of the alphabet, the widest first."""

_FACTS = {
    "account_closing": "(SELECT closing_at IS NOT NULL FROM accounts WHERE account_id = :account)",
    "frozen_by": "frozen.widest",
    "frozen_since": "frozen.since",
    "catalogue_known": CATALOGUE_KNOWN,
    "assets": "coalesce(assets.total, 0)",
    "enabled_assets": "coalesce(assets.enabled, 0)",
    "open_positions": "coalesce(held.positions, 0)",
    "expires": EXPIRES,
}
_OF_BOT = {
    "bot_id": "bots.id AS bot_id",
    "bot_name": "bots.name AS bot_name",
    "bot_paused": "coalesce(bots.paused, false) AS bot_paused",
}
_STORED = [name for name in KeyRow._fields if name not in _FACTS]
_COLUMNS = ", ".join(_OF_BOT.get(name, f"keys.{name}") for name in _STORED)
_MEMBERS = ", ".join(_FACTS.get(name, f"keys.{name}") for name in KeyRow._fields)


def keys_sql(conditions: str = "", order: str = "", limit: str = "") -> str:
    """Return the statement for the account's keys that meet the conditions, which begin with AND.

    `order` is one of `keys` alone, so that the page is cut before anything is read for it.
    """
    ordered = f"ORDER BY {order}" if order else ""
    return f"""
        WITH page AS MATERIALIZED (
            SELECT {_COLUMNS}
            FROM keys LEFT JOIN bots
                ON bots.account_id = keys.account_id AND bots.key_id = keys.id
            WHERE keys.account_id = :account {conditions}
            {ordered} {limit}
        ), wide AS MATERIALIZED ({WIDE})
        SELECT {_MEMBERS}
        FROM page AS keys
        {FROZEN}
        {CATALOGUE}
        LEFT JOIN (
            SELECT key_id, contract_type, count(*) AS total,
                   count(*) FILTER (WHERE enabled) AS enabled
            FROM trading_assets
            WHERE account_id = :account AND key_id = ANY (ARRAY(SELECT id FROM page))
            GROUP BY key_id, contract_type
        ) AS assets ON assets.key_id = keys.id AND assets.contract_type = keys.contract_type
        LEFT JOIN (
            SELECT key_id, count(*) AS positions
            FROM positions
            WHERE account_id = :account AND key_id = ANY (ARRAY(SELECT id FROM page))
              AND status IN ('opening', 'open')
              AND (status = 'open' OR expires_at > statement_timestamp()) AND locks_key
            GROUP BY key_id
        ) AS held ON held.key_id = keys.id
        {ordered}
    """  # noqa: S608  # built from constants only


def blocked_by_of(row: KeyRow, *, refuse_withdrawal: bool) -> tuple[str, ...]:
    """Return why no position may be opened with the key now: by its bot, or by any to come."""
    facts = OpeningFacts(
        row.account_closing,
        row.frozen_by is not None,
        row.bot_paused,
        True,
        row.active,
        row.permission_trade,
        row.permission_withdraw,
        row.unverified,
        row.verification_status,
        row.enabled_assets > 0,
        row.catalogue_known,
    )
    return facts_blocked_by(facts, refuse_withdrawal=refuse_withdrawal)


def state_of(row: KeyRow, *, refuse_withdrawal: bool) -> KeyState:
    """Return the key's state at the time of the read."""
    standing = Standing(
        row.exchange,
        row.environment,
        row.active,
        row.awaiting_api_key,
        row.frozen_by,
        row.verification_status,
        row.verification_reason,
        tuple(row.verification_possible or ()),
        row.permission_trade,
        row.permission_withdraw,
        row.unverified,
        row.expires,
        row.bot_id is not None,
        row.enabled_assets > 0,
    )
    times = Times(
        row.created_at,
        row.frozen_since,
        row.active_since,
        row.verification_since,
        row.expires_at,
    )
    return key_state(standing, times, refuse_withdrawal=refuse_withdrawal)
