"""The SQL of closing an account: everything that is deleted before the response."""

from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.clock import NOW
from app.db.models import (
    Account,
    Bot,
    Freeze,
    IdempotencyRecord,
    Key,
    KeyCredential,
    Operation,
    Position,
    Presence,
    TradingAsset,
    Webhook,
)
from app.db.models.position import held

CLOSE = "account.close"
"""The action of closing an account, in the audit log and in idempotency records."""

_BOTS = cast("Table", Bot.__table__)
_PRESENCE = cast("Table", Presence.__table__)


class ClosingRepository:
    """The rows of an account under its exclusive lock, so nothing can be opened in it."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def positions_held(self) -> int:
        count = select(func.count()).where(Position.account_id == self._account_id, held())
        return (await self._session.execute(count)).scalar_one()

    async def lock_presence(self) -> None:
        """Lock bots and presence, so that heartbeats, which do not lock the account, wait.

        The locks are taken in the same order as heartbeats take them.
        """
        of_account = _PRESENCE.c.account_id == self._account_id
        await self._session.execute(
            select(_BOTS.c.id)
            .where(_BOTS.c.account_id == self._account_id)
            .order_by(_BOTS.c.id)
            .with_for_update()
        )
        await self._session.execute(
            select(_PRESENCE.c.bot_id)
            .where(of_account)
            .order_by(_PRESENCE.c.bot_id)
            .with_for_update()
        )

    async def remove(self) -> dict[str, int]:
        """Delete bots and tokens, keys and credentials, and everything that depends on them.

        Returns how many rows of each kind were deleted. Idempotency records of closures are kept
        while the operation runs: the response to this one will be stored there, and is deleted with
        the data.
        """
        await self._session.execute(notifications.of_account(self._account_id))
        deleted = {}
        for name, model in (
            ("bots", Bot),
            ("credentials", KeyCredential),
            ("trading_assets", TradingAsset),
            ("freezes", Freeze),
            ("webhooks", Webhook),
            ("keys", Key),
        ):
            table = cast("Table", model.__table__)
            done: Any = await self._session.execute(
                delete(table).where(table.c.account_id == self._account_id)
            )
            deleted[name] = int(done.rowcount)
        await self._session.execute(
            delete(IdempotencyRecord).where(
                IdempotencyRecord.account_id == self._account_id,
                IdempotencyRecord.action.is_distinct_from(CLOSE),
            )
        )
        return deleted

    async def cancel_others(self) -> None:
        """Cancel all other operations: the closure does everything they would have done."""
        await self._session.execute(
            update(Operation)
            .where(
                Operation.account_id == self._account_id,
                or_(Operation.status == "queued", Operation.status == "running"),
            )
            .values(
                status="cancelled",
                cancel_requested=True,
                claim=None,
                claimed_until=None,
                finished_at=NOW,
            )
            .execution_options(synchronize_session=False)
        )

    async def close(self, operation_id: UUID) -> None:
        """Close the account to everyone, and to all tokens issued until now for good."""
        await self._session.execute(
            update(Account)
            .where(Account.account_id == self._account_id)
            .values(closing_at=NOW, tokens_from=NOW, closing_operation_id=operation_id)
        )
        await self._session.execute(notifications.of_closure(self._account_id))

    async def begin_again(self, operation_id: UUID) -> bool:
        """Queue the closure again if it failed; return whether it had."""
        again = (
            update(Operation)
            .where(
                Operation.account_id == self._account_id,
                Operation.id == operation_id,
                Operation.status == "failed",
            )
            .values(status="queued", error=None, finished_at=None, phase=None)
            .returning(Operation.id)
        )
        return await self._session.scalar(again) is not None
