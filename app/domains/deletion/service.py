"""The rules of deleting trading data."""

from dataclasses import dataclass
from typing import Any

from app.db.base import new_id
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.deletion.errors import UnknownKeys
from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.schemas import DataDeletion
from app.domains.deletion.scopes import stored
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.operations.events import progress_of
from app.domains.operations.repository import OperationRepository, OperationRow
from app.domains.trading.kinds import KINDS
from app.domains.trading.marks import FOREVER, Mark
from app.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deletion would affect. `counts` are by kind; `held` positions are kept."""

    counts: dict[str, int]
    held: int


class DeletionService:
    """Deletion of an account's trading data under its exclusive lock, which reports wait for."""

    def __init__(
        self,
        *,
        deletions: DeletionRepository,
        operations: OperationRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        events: EventLog,
    ) -> None:
        self._deletions = deletions
        self._operations = operations
        self._accounts = accounts
        self._audit = audit
        self._events = events

    async def preview(self, wanted: DataDeletion) -> Preview:
        marks = await self._marks(wanted)
        return Preview(
            await self._deletions.counts(marks), await self._deletions.positions_held(marks)
        )

    async def delete(self, wanted: DataDeletion) -> OperationRow:
        """Hide the data and reject reports of such data from now on; a worker deletes the rows."""
        await self._accounts.lock_exclusive()
        marks = await self._marks(wanted)
        if wanted.before is None:
            marks = await self._deletions.up_to_now(marks)
        held = await self._deletions.positions_held(marks)
        await self._deletions.mark(marks)
        scope: dict[str, Any] = wanted.model_dump(
            mode="json", exclude={"dry_run"}, exclude_none=True
        )
        row = await self._operations.add(
            new_id(),
            kind="delete_data",
            scope=stored(marks, **scope),
            receipt={"deleted": {kind.name: 0 for kind in KINDS}, "kept": {"positions": held}},
            environment=wanted.environment,
        )
        await self._audit.record(
            "data.delete",
            target="operation",
            target_id=row.id,
            **{"environment": None, **scope},
        )
        await self._events.add(EventType.OPERATION_PROGRESS, **progress_of(row))
        return row

    async def _marks(self, wanted: DataDeletion) -> list[Mark]:
        """Return the marks of the request. Raises `UnknownKeys` or `InvalidRequest`."""
        known = await self._deletions.known_keys(wanted.keys)
        unknown = set(wanted.keys) - known.keys()
        if unknown:
            raise UnknownKeys(unknown)
        if known and wanted.environment is not None and wanted.environment not in known.values():
            raise _of_other_environments()
        if wanted.before is not None and wanted.before > await self._deletions.now():
            raise _in_the_future()
        end = wanted.before or FOREVER
        return [Mark(wanted.environment, key_id, end) for key_id in wanted.keys or (None,)]


def _in_the_future() -> InvalidRequest:
    fault = {
        "loc": ["body", "before"],
        "type": "before_in_the_future",
        "msg": "The time must not be in the future",
    }
    return InvalidRequest([fault])


def _of_other_environments() -> InvalidRequest:
    fault = {
        "loc": ["body", "key_ids"],
        "type": "keys_of_other_environments",
        "msg": "None of these keys belongs to the environment",
    }
    return InvalidRequest([fault])
