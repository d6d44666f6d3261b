"""Deletes a key, alone or with its trading data."""

from dataclasses import dataclass
from uuid import UUID

from app.db.base import new_id
from app.db.revisions import Revisions, require
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.bots.errors import KeyAssigned
from app.domains.deletion.repository import DeletionRepository, whole_key
from app.domains.deletion.scopes import stored
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.keys.credential_repository import CredentialRepository
from app.domains.keys.errors import FormerBotHasPositions
from app.domains.keys.repository import KeyRepository
from app.domains.keys.rows import KeyRow
from app.domains.operations.events import progress_of
from app.domains.operations.repository import OperationRepository, OperationRow
from app.domains.trading.kinds import KINDS
from app.errors import NotFound


@dataclass(frozen=True, slots=True)
class KeyPreview:
    """What a deletion would affect: `counts` of trading data by kind, and the number of `held`
    positions.

    Held positions block the deletion, and so does an assigned bot.
    """

    key: KeyRow
    counts: dict[str, int]
    held: int


class KeyDeletionService:
    """Deletion of keys. Locks in the order account, key, audit head, event head."""

    def __init__(
        self,
        *,
        keys: KeyRepository,
        credentials: CredentialRepository,
        accounts: AccountRepository,
        deletions: DeletionRepository,
        operations: OperationRepository,
        audit: AuditLog,
        events: EventLog,
    ) -> None:
        self._keys = keys
        self._credentials = credentials
        self._accounts = accounts
        self._deletions = deletions
        self._operations = operations
        self._audit = audit
        self._events = events

    async def preview(self, key_id: UUID) -> KeyPreview:
        key = await self._keys.get(key_id)
        if key is None:
            raise NotFound
        counts = await self._deletions.counts(whole_key(key_id))
        return KeyPreview(key, counts, await self._keys.locking_positions(key_id))

    async def delete(self, key_id: UUID, expected: Revisions | None) -> dict[str, int]:
        """Delete the key and its credentials at once and keep its trading data.

        Returns how many rows of each kind were deleted.
        """
        await self._accounts.lock_shared()
        key = await self._deletable(key_id, expected)
        deleted = await self._remove(key_id)
        await self._keys.forget_label(key_id)
        await self._record(key)
        await self._events.add(
            EventType.KEY_DELETED,
            key_id=key.id,
            environment=key.environment,
            label=key.label,
            exchange=key.exchange,
            associated_data="keep",
        )
        return deleted

    async def delete_with_data(self, key_id: UUID, expected: Revisions | None) -> OperationRow:
        """Delete the key and its credentials at once, and its trading data by an operation.

        From now on no query shows the trading data, and nothing reported for the key is stored.
        """
        await self._accounts.lock_exclusive()
        key = await self._deletable(key_id, expected)
        await self._keys.close_late_positions(key_id)
        deleted = await self._remove(key_id)
        marks = whole_key(key_id)
        await self._deletions.mark(marks)
        row = await self._operations.add(
            new_id(),
            kind="delete_key_data",
            scope=stored(marks, scope="key", key_ids=[str(key_id)]),
            receipt={
                "deleted": {**deleted, **{kind.name: 0 for kind in KINDS}},
                "kept": {"positions": 0},
            },
            environment=key.environment,
        )
        await self._record(key, operation_id=str(row.id))
        await self._events.add(
            EventType.KEY_DELETED,
            key_id=key.id,
            environment=key.environment,
            exchange=key.exchange,
            associated_data="delete",
            operation_id=row.id,
        )
        await self._events.add(EventType.OPERATION_PROGRESS, **progress_of(row))
        return row

    async def _deletable(self, key_id: UUID, expected: Revisions | None) -> KeyRow:
        """Lock the key against openings, which lock it too, and return it if it may be deleted."""
        key = await self._keys.get(key_id) if await self._keys.lock(key_id) else None
        if key is None:
            raise NotFound
        require(key.revision, expected)
        if key.bot_id is not None and key.bot_name is not None:
            raise KeyAssigned(key.bot_id, key.bot_name)
        held = await self._keys.locking_positions(key_id)
        if held:
            raise FormerBotHasPositions(held)
        return key

    async def _remove(self, key_id: UUID) -> dict[str, int]:
        others = await self._deletions.what_goes_with(key_id)
        credentials = await self._credentials.remove(key_id)
        await self._keys.delete(key_id)
        return {"keys": 1, "credentials": credentials, **others}

    async def _record(self, key: KeyRow, **details: str) -> None:
        await self._audit.record(
            "key.delete",
            target="key",
            target_id=key.id,
            environment=key.environment,
            exchange=key.exchange,
            label=key.label,
            **details,
        )
