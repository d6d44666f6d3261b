"""Notifications to the processes with connected bots that a configuration changed.

A notification carries only account and bot id, is sent at commit, and is a hint: the receiver
rereads the configuration. NOTIFY takes one lock for the whole server at commit, so only changes of
configuration send one, never heartbeats or reports.
"""

from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Bot

CHANNEL = "botkeys_config"
CLOSURES = "botkeys_closures"
"""Where every process hears of accounts that are closed."""


def of_bot(account_id: UUID, bot_id: UUID) -> Select[tuple[None]]:
    return select(func.pg_notify(CHANNEL, f"{account_id}:{bot_id}"))


async def notify_of_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> None:
    """Notify the bot that has this key, if one has.

    A statement that reads a table may run on another server than the one that is listened to, so
    the notification is a statement of its own.
    """
    having = select(Bot.id).where(Bot.account_id == account_id, Bot.key_id == key_id)
    for bot_id in (await session.scalars(having)).all():
        await session.execute(of_bot(account_id, bot_id))


def of_account(account_id: UUID) -> Select[tuple[None]]:
    """Return one notification, without a bot id, that stands for all bots of the account."""
    return select(func.pg_notify(CHANNEL, f"{account_id}:"))


def of_closure(account_id: UUID) -> Select[tuple[None]]:
    return select(func.pg_notify(CLOSURES, str(account_id)))


_WORDS = ("exchange", "environment", "region", "contract_type")
OF_CATALOGUE = text(
    f"SELECT notify_bots({', '.join(f':{word}' for word in _WORDS)}, :symbols)"
).bindparams(
    *(bindparam(word, type_=Text()) for word in _WORDS), bindparam("symbols", type_=ARRAY(Text()))
)
"""Notifies every bot whose key trades on this catalogue and has one of these symbols among its
trading assets, or all bots of the catalogue if the symbols are null; and counts them.

A catalogue belongs to no account and is shared by all. So this is a function of the database with
its owner's rights: a process that fetches a catalogue need not see whose bots there are.
"""


def read(payload: str) -> tuple[UUID, UUID | None]:
    """Return the account and bot of a notification; no bot means all of the account's."""
    account, _, bot = payload.partition(":")
    return UUID(account), UUID(bot) if bot else None
