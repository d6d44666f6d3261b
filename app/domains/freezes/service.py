"""The rules of freezes."""

from operator import attrgetter
from uuid import UUID

from app.api.pagination import Page
from app.db.base import AnyRow
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.freezes.repository import FreezeRepository
from app.domains.freezes.schemas import FreezeCreate
from app.errors import NotFound


class FreezeService:
    """The freezes of one account.

    Every write takes the account's exclusive lock; openings take it shared. An opening that was
    granted before a freeze responds is therefore committed by then, and none is granted afterwards.
    """

    def __init__(
        self,
        *,
        freezes: FreezeRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        events: EventLog,
    ) -> None:
        self._freezes = freezes
        self._accounts = accounts
        self._audit = audit
        self._events = events

    async def page(self, after: UUID | None, limit: int) -> Page[AnyRow, UUID]:
        rows = await self._freezes.page(after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def get(self, freeze_id: UUID) -> AnyRow:
        row = await self._freezes.get(freeze_id)
        if row is None:
            raise NotFound
        return row

    async def add(self, new: FreezeCreate) -> tuple[AnyRow, bool]:
        """Freeze this target; return the freeze and whether it is new. A repeat changes nothing."""
        await self._accounts.lock_exclusive()
        known = await self._freezes.find(**new.target)
        if known is not None:
            return known, False
        if new.key_id is not None and not await self._freezes.key_exists(new.key_id):
            raise NotFound
        row = await self.get(await self._freezes.add(**new.target, reason=new.reason))
        await self._record("freeze.add", EventType.FREEZE_ADDED, row)
        return row, True

    async def lift(self, freeze_id: UUID) -> None:
        await self._accounts.lock_exclusive()
        row = await self.get(freeze_id)
        await self._freezes.remove(row.id)
        await self._record("freeze.lift", EventType.FREEZE_LIFTED, row)

    async def _record(self, action: str, event: EventType, row: AnyRow) -> None:
        await self._audit.record(
            action,
            target="freeze",
            target_id=row.id,
            environment=row.environment,
            scope=row.scope,
            exchange=row.exchange,
            key_id=None if row.key_id is None else str(row.key_id),
        )
        await self._events.add(
            event,
            environment=row.environment,
            key_id=row.key_id,
            freeze_id=row.id,
            scope=row.scope,
            exchange=row.exchange,
            reason=row.reason,
        )
