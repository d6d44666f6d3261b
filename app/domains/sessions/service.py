"""The rules of sessions that their account lists and ends."""

from operator import attrgetter
from uuid import UUID

from app.api.pagination import Page
from app.auth.principal import UserPrincipal
from app.db.base import AnyRow
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.sessions.opening import END
from app.domains.sessions.repository import SessionRepository
from app.errors import NotFound


class SessionService:
    """The sessions of one account. One that was ended is refused everywhere from then on."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        user: UserPrincipal,
    ) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._audit = audit
        self._user = user

    @property
    def current(self) -> UUID | None:
        """Return the session that the caller uses itself, if it uses one."""
        return self._user.session_id

    async def page(self, after: UUID | None, limit: int) -> Page[AnyRow, UUID]:
        rows = await self._sessions.page(after, limit + 1)
        return Page.cut(rows, limit, attrgetter("id"))

    async def end(self, session_id: UUID) -> None:
        await self._accounts.lock_shared()
        if not await self._sessions.end_one(session_id):
            raise NotFound
        await self._audit.record(END, target="session", target_id=session_id)

    async def end_others(self) -> int:
        """End all sessions but the one that the caller uses; return how many."""
        await self._accounts.lock_shared()
        ended = await self._sessions.end_others(self.current)
        await self._audit.record(END, target="account", ended=len(ended))
        return len(ended)
