"""Notifications to the processes with connected bots that a configuration changed.

A notification carries only account and bot id, is sent at commit, and is a hint: the receiver
rereads the configuration. NOTIFY takes one lock for the whole server at commit, so only changes of
configuration send one, never heartbeats or reports.
"""

from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, bindparam, cast, func, select, text

from app.db.models import Bot

CHANNEL = "botkeys_config"


def of_bot(account_id: UUID, bot_id: UUID) -> Select[tuple[None]]:
    return select(func.pg_notify(CHANNEL, f"{account_id}:{bot_id}"))


def of_key(account_id: UUID, key_id: UUID) -> Select[tuple[None]]:
    """Return the notification of the bot that has this key; no row if none has."""
    payload = cast(Bot.account_id, Text) + ":" + cast(Bot.id, Text)
    return select(func.pg_notify(CHANNEL, payload)).where(
        Bot.account_id == account_id, Bot.key_id == key_id
    )


def of_account(account_id: UUID) -> Select[tuple[None]]:
    """Return one notification, without a bot id, that stands for all bots of the account."""
    return select(func.pg_notify(CHANNEL, f"{account_id}:"))


_WORDS = ("exchange", "environment", "region", "contract_type")
_OF_CATALOGUE = f"""
    SELECT count(pg_notify('{CHANNEL}', concat(bots.account_id, ':', bots.id)))
    FROM keys
    JOIN bots ON bots.account_id = keys.account_id AND bots.key_id = keys.id
    WHERE keys.exchange = :exchange AND keys.environment = :environment
      AND coalesce(keys.region, '') = :region AND keys.contract_type = :contract_type
"""  # noqa: S608  # a name of ours
OF_CATALOGUE = text(_OF_CATALOGUE).bindparams(*(bindparam(word, type_=Text()) for word in _WORDS))
"""Notifies every bot whose key trades on this catalogue, and counts them.

Only these two statements span all accounts: a catalogue belongs to none and is shared by all.
"""

# IS TRUE keeps the planner from looking up each key with each symbol, which took half a minute for
# 100,000 bots and a whole catalogue: it reads a key's few assets, and the symbols once.
OF_INSTRUMENTS = text(
    _OF_CATALOGUE
    + """
      AND EXISTS (
          SELECT FROM trading_assets AS assets
          WHERE assets.account_id = keys.account_id AND assets.key_id = keys.id
            AND assets.contract_type = keys.contract_type
            AND (assets.symbol IN (SELECT unnest(:symbols))) IS TRUE
      )
    """
).bindparams(
    *(bindparam(word, type_=Text()) for word in _WORDS), bindparam("symbols", type_=ARRAY(Text()))
)
"""The same for bots whose key has one of these symbols among its trading assets."""


def read(payload: str) -> tuple[UUID, UUID | None]:
    """Return the account and bot of a notification; no bot means all of the account's."""
    account, _, bot = payload.partition(":")
    return UUID(account), UUID(bot) if bot else None
