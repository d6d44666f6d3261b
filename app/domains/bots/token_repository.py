"""Bot tokens in the database: a keyed hash by (account, bot). For the role `runtime` only."""

from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.clock import NOW
from app.db.driver import BatchExecutor, Executor, Rows, SessionExecutor, Statement
from app.db.models import BotToken
from app.db.together import NUMBER, Together

_OF_BOT = select(BotToken.token_hash).where(
    BotToken.account_id == bindparam("account"), BotToken.bot_id == bindparam("bot")
)
_TOKEN_HASH = Statement(_OF_BOT)
TOKEN_HASHES = Statement(_OF_BOT.add_columns(NUMBER))
"""The same for several bots in one round trip."""

_AT_ONCE = 2
"""Round trips in flight: so many callers do not wait at all, later ones share the next."""


class TokenHashLoader:
    """Reads the tokens of bots that call at the same moment together.

    There is no cache: a caller gets what was committed before it called.
    """

    def __init__(self, executor: BatchExecutor) -> None:
        self._together = Together(executor, TOKEN_HASHES, at_once=_AT_ONCE)

    async def read(self, account_id: UUID, bot_id: UUID) -> bytes | None:
        """Return the hash of the bot's token. Hot path: most calls of every bot need it."""
        return _first(await self._together.fetch(account=account_id, bot=bot_id))

    async def close(self) -> None:
        await self._together.close()


async def stored_token_hash(executor: Executor, account_id: UUID, bot_id: UUID) -> bytes | None:
    """Return the hash of the bot's token, read by itself."""
    return _first(await executor.fetch(_TOKEN_HASH, account=account_id, bot=bot_id))


def _first(rows: Rows) -> bytes | None:
    for (token_hash,) in rows:
        return bytes(token_hash)
    return None


class BotTokenRepository:
    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def token_hash(self, account_id: UUID, bot_id: UUID) -> bytes | None:
        """Return the same hash within a transaction that holds the locks which keep it current."""
        return await stored_token_hash(SessionExecutor(self._session), account_id, bot_id)

    async def replace(self, account_id: UUID, bot_id: UUID, token_hash: bytes) -> None:
        """Store the bot's only token; the previous one becomes invalid on commit."""
        new = insert(BotToken).values(
            account_id=account_id, bot_id=bot_id, token_hash=token_hash, created_at=NOW
        )
        await self._session.execute(
            new.on_conflict_do_update(
                index_elements=[BotToken.account_id, BotToken.bot_id],
                set_={name: new.excluded[name] for name in ("token_hash", "created_at")},
            )
        )
        # Disconnect streams that were opened with the previous token.
        await self._session.execute(notifications.of_bot(account_id, bot_id))
