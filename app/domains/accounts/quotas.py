"""How many keys and bots an account may have.

Counting them with each addition would take as long as there are many. So the head of the account's
audit log, whose lock every addition holds to its end, keeps how many there are at most: an addition
raises that, and only if it passes the quota are they counted. A deletion leaves it as it is, as do
additions by a release that does not keep it, for which they are counted again after a day.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import NOW
from app.db.models import AuditHead, Bot, Key

COUNTED_EVERY = timedelta(days=1)


class Quota:
    """The quota of an account for keys, or for bots: it may have `most`."""

    def __init__(
        self, *, session: AsyncSession, account_id: UUID, model: type[Key | Bot], most: int
    ) -> None:
        self._session = session
        self._account_id = account_id
        self._model = model
        self._at_most = AuditHead.keys_at_most if model is Key else AuditHead.bots_at_most
        self.most = most

    async def has_room(self) -> bool:
        """Return whether one more may be added. Nothing is locked, so `take` may differ."""
        at_most = await self._session.scalar(select(self._at_most).where(*self._fresh()))
        if at_most is not None and at_most < self.most:
            return True
        return await self._count(self._model) < self.most

    async def take(self) -> bool:
        """Count one that was added, after its entry in the audit log, whose lock keeps others from
        adding; return whether the quota allows it.
        """
        taken = (
            update(AuditHead)
            .where(*self._fresh())
            .values({self._at_most: self._at_most + 1})
            .returning(self._at_most)
        )
        at_most = await self._session.scalar(taken)
        if at_most is None or at_most > self.most:
            at_most = await self._count_again()
        return at_most <= self.most

    def _fresh(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions of the account's head, if it was counted not long ago."""
        counted = AuditHead.counted_at > NOW - COUNTED_EVERY
        return AuditHead.account_id == self._account_id, counted

    async def _count_again(self) -> int:
        keys, bots = await self._count(Key), await self._count(Bot)
        await self._session.execute(
            update(AuditHead)
            .where(AuditHead.account_id == self._account_id)
            .values(keys_at_most=keys, bots_at_most=bots, counted_at=NOW)
        )
        return keys if self._model is Key else bots

    async def _count(self, model: type[Key | Bot]) -> int:
        count = select(func.count()).select_from(model).where(model.account_id == self._account_id)
        return (await self._session.execute(count)).scalar_one()
