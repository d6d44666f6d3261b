"""Writes the audit log, in the same transaction as the event."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Uuid, bindparam, insert, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.auth.caller import Caller
from app.db.base import new_id
from app.db.driver import Executor, Statement
from app.db.models import AuditEvent, AuditHead
from app.domains.audit.entry import GENESIS, Entry, link
from app.kit.json_codec import dumps
from botkeys.sealing.boxes import SecretBytes

# The clock is read after the lock: the materialized part runs before the outer SELECT list.
HEAD = Statement(
    text(
        "WITH head AS MATERIALIZED"
        " (SELECT sequence, mac FROM audit_heads WHERE account_id = :account FOR UPDATE)"
        " SELECT sequence, mac, clock_timestamp() FROM head"
    ).bindparams(bindparam("account", type_=Uuid()))
)
_FIRST = Statement(
    upsert(AuditHead)
    .values(account_id=bindparam("account"), sequence=0, mac=bindparam("mac"))
    .on_conflict_do_nothing()
)
_ENTRY = insert(AuditEvent).values(
    {column.name: bindparam(column.name) for column in AuditEvent.__table__.columns}
)
ADD = Statement(
    update(AuditHead)
    .where(AuditHead.account_id == bindparam("account_id"))
    .values(sequence=bindparam("sequence"), mac=bindparam("mac"))
    .add_cte(_ENTRY.cte("entry"))
)


class Head(NamedTuple):
    """The newest entry of a chain under its lock; `now` was read after locking."""

    sequence: int
    mac: bytes
    now: datetime


class AuditLog:
    """The log of the caller's account. `record` takes the last lock of the order: call it last.

    `executor` runs statements in the transaction of the recorded event.
    """

    def __init__(
        self,
        executor: Executor,
        hmac_key: SecretBytes,
        caller: Caller,
        ids: Callable[[], UUID] = new_id,
    ) -> None:
        self._executor = executor
        self._key = hmac_key
        self._caller = caller
        self._ids = ids

    async def record(
        self,
        action: str,
        after: Head | None = None,
        /,
        *,
        outcome: str = "allowed",
        code: str | None = None,
        target: str | None = None,
        target_id: UUID | str | None = None,
        environment: str | None = None,
        **details: Any,
    ) -> None:
        """Append an entry. `after` is the chain's head if a statement of the caller has
        locked it.
        """
        account_id = self._caller.account_id
        sequence, previous, now = after or await self._head(account_id)
        entry = Entry(
            account_id=account_id,
            sequence=sequence + 1,
            id=self._ids(),
            at=now.astimezone(UTC),
            actor=self._caller.kind,
            actor_id=self._caller.name,
            action=action,
            outcome=outcome,
            code=code,
            target=target,
            target_id=None if target_id is None else str(target_id),
            environment=environment,
            address=self._caller.address,
            request_id=self._caller.request_id,
            details=details,
        )
        mac = link(self._key.reveal(), previous, entry)
        columns = {**entry.members(), "details": dumps(details).decode()}
        await self._executor.fetch(ADD, **columns, mac=mac)

    async def _head(self, account_id: UUID) -> Head:
        rows = await self._executor.fetch(HEAD, account=account_id)
        if not rows:
            await self._executor.fetch(_FIRST, account=account_id, sequence=0, mac=GENESIS)
            rows = await self._executor.fetch(HEAD, account=account_id)
        (row,) = rows
        return Head._make(row)
