"""Closes accounts."""

from app.auth.principal import UserPrincipal
from app.db.base import new_id
from app.db.revisions import Revisions, require
from app.domains.accounts.repository import AccountRepository
from app.domains.accounts.status import AccountStatus, AccountStatusCache
from app.domains.audit.log import AuditLog
from app.domains.deletion.account.errors import AccountHasPositions
from app.domains.deletion.account.repository import CLOSE, ClosingRepository
from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.scopes import stored
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.operations.repository import OperationRepository, OperationRow
from app.domains.sessions.repository import SessionRepository
from app.domains.trading.kinds import KINDS
from app.domains.trading.marks import FOREVER, Mark


class ClosingService:
    """The closing of accounts. Locks in the order account, bots, presence, keys, audit head,
    event head.
    """

    def __init__(
        self,
        *,
        accounts: AccountRepository,
        closing: ClosingRepository,
        deletions: DeletionRepository,
        operations: OperationRepository,
        sessions: SessionRepository,
        account_statuses: AccountStatusCache,
        audit: AuditLog,
        events: EventLog,
        user: UserPrincipal,
    ) -> None:
        self._accounts = accounts
        self._closing = closing
        self._deletions = deletions
        self._operations = operations
        self._sessions = sessions
        self._account_statuses = account_statuses
        self._audit = audit
        self._events = events
        self._user = user

    async def close(self, expected: Revisions | None, *, force: bool) -> OperationRow:
        """Delete bots, tokens and keys, and hide the rest; the operation deletes it.

        A closure that failed is started again. Raises `AccountClosing` while one is in progress,
        and `PreconditionFailed` unless the account is as expected.
        """
        status = await self._accounts.lock_exclusive_in_any_status()
        self._account_statuses.forget(self._user.account_id)
        again = await self._again(status)
        if again is None:
            status.require_open(self._user)
        require(await self._accounts.revision(), expected)
        if again is not None:
            return again
        held = await self._closing.positions_held()
        if held and not force:
            raise AccountHasPositions(held)
        await self._closing.lock_presence()
        deleted = await self._closing.remove()
        await self._sessions.leave_only(self._user.session_id)
        await self._closing.cancel_others()
        marks = [Mark(None, None, FOREVER)]
        await self._deletions.mark(marks)
        row = await self._operations.add(
            new_id(),
            kind="close_account",
            scope=stored(marks, scope="account"),
            receipt={"deleted": {**deleted, **{kind.name: 0 for kind in KINDS}}},
        )
        await self._closing.close(row.id)
        await self._audit.record(
            CLOSE,
            target="operation",
            target_id=row.id,
            force=force,
            open_positions=held,
        )
        await self._events.add(EventType.ACCOUNT_CLOSING, operation_id=row.id)
        return row

    async def _again(self, status: AccountStatus) -> OperationRow | None:
        if status.closing_at is None or status.operation_id is None:
            return None
        if not await self._closing.begin_again(status.operation_id):
            return None
        return await self._operations.get(status.operation_id)
