"""Tells the processes that bots are connected to that a bot's configuration changed.

A notification carries account and bot id and nothing else, leaves with the commit, and is a hint:
whoever gets one reads the configuration. NOTIFY takes one lock for the whole server at commit, so
only changes of configuration send one, never heartbeats or reports.
"""

from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select

from app.db.models import Bot

CHANNEL = "botkeys_config"


def of_bot(account_id: UUID, bot_id: UUID) -> Select[tuple[None]]:
    return select(func.pg_notify(CHANNEL, f"{account_id}:{bot_id}"))


def of_key(account_id: UUID, key_id: UUID) -> Select[tuple[None]]:
    """Of the bot that has this key; of nobody where none has."""
    payload = cast(Bot.account_id, Text) + ":" + cast(Bot.id, Text)
    return select(func.pg_notify(CHANNEL, payload)).where(
        Bot.account_id == account_id, Bot.key_id == key_id
    )


def of_account(account_id: UUID) -> Select[tuple[None]]:
    """Of all its bots, in one notification without a bot."""
    return select(func.pg_notify(CHANNEL, f"{account_id}:"))


def read(payload: str) -> tuple[UUID, UUID | None]:
    """Account and bot of a notification; no bot means all of the account's."""
    account, _, bot = payload.partition(":")
    return UUID(account), UUID(bot) if bot else None
