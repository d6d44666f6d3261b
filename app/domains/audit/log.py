"""Writes the audit log, in the same transaction as the event."""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Uuid, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from app.auth.caller import Caller
from app.auth.principal import UserPrincipal
from app.db.base import new_id
from app.db.driver import Executor, Statement
from app.db.models import AuditEvent, AuditHead
from app.domains.audit.entry import FORMAT, GENESIS, Entry, link, seal
from app.kit.json_codec import dumps
from botkeys.sealing.boxes import SecretBytes

# The clock is read after the lock: the materialized part runs before the outer SELECT list.
HEAD = Statement(
    text(
        "WITH head AS MATERIALIZED"
        " (SELECT sequence, mac, seal, sealed_sequence FROM audit_heads"
        " WHERE account_id = :account FOR UPDATE)"
        " SELECT sequence, mac, seal, sealed_sequence, clock_timestamp() FROM head"
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
# An entry is added only by moving the head to it, and only from the entry before: with this a
# number is given once whatever month the entry falls into.
ADD = Statement(
    update(AuditHead)
    .where(
        AuditHead.account_id == bindparam("account_id"),
        AuditHead.sequence == bindparam("sequence") - 1,
    )
    .values(
        sequence=bindparam("sequence"),
        mac=bindparam("mac"),
        seal=bindparam("seal"),
        sealed_sequence=bindparam("sealed_sequence"),
    )
    .returning(AuditHead.sequence)
    .add_cte(_ENTRY.cte("entry"))
)
_SEALED = aliased(AuditEvent)
_NEWEST = Statement(
    select(AuditEvent.format, _SEALED.mac)
    .outerjoin(
        _SEALED,
        (_SEALED.account_id == AuditEvent.account_id) & (_SEALED.sequence == bindparam("sealed")),
    )
    .where(
        AuditEvent.account_id == bindparam("account"), AuditEvent.sequence == bindparam("sequence")
    )
)
log = structlog.get_logger("botkeys.audit")


class Head(NamedTuple):
    """The newest entry of a chain under its lock; `now` was read after locking."""

    sequence: int
    mac: bytes
    seal: bytes | None
    sealed_sequence: int | None
    now: datetime


class AuditHeadMoved(Exception):
    """The head that an entry should follow was not the newest any more: nothing may be committed.

    Its lock keeps this from happening.
    """


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
        head = after or await self._head(account_id)
        columns = self._columns(
            head,
            action=action,
            outcome=outcome,
            code=code,
            target=target,
            target_id=target_id,
            environment=environment,
            details=details,
        )
        if await self._may_seal(account_id, head):
            columns["seal"] = self._seal(columns)
            columns["sealed_sequence"] = columns["sequence"]
        else:
            # Verification goes on reporting it: no new entry may cover up what was cut.
            log.error("audit_log_was_cut", account_id=str(account_id), sequence=head.sequence)
            columns["seal"], columns["sealed_sequence"] = head.seal, head.sealed_sequence
        if not await self._executor.fetch(ADD, **columns):
            raise AuditHeadMoved

    def sealed(
        self,
        action: str,
        after: Head,
        /,
        *,
        target: str,
        target_id: UUID,
        environment: str,
        **details: Any,
    ) -> dict[str, Any] | None:
        """Return the columns of an entry that follows a sealed head, with its `seal`; `None` if
        the head is not sealed by its newest entry.

        Store them only after that very head.
        """
        account_id, at = self._caller.account_id, after.sealed_sequence
        if at != after.sequence or not _is(
            after.seal, seal(self._key.reveal(), account_id, at, after.mac)
        ):
            return None
        columns = self._columns(
            after,
            action=action,
            outcome="allowed",
            code=None,
            target=target,
            target_id=target_id,
            environment=environment,
            details=details,
        )
        columns["seal"] = self._seal(columns)
        return columns

    def _columns(
        self, head: Head, *, target_id: UUID | str | None, details: dict[str, Any], **members: Any
    ) -> dict[str, Any]:
        """Return the columns of the entry after this head, by name."""
        caller = self._caller
        if caller.client_request_id is not None:
            details["client_request_id"] = caller.client_request_id
        principal = caller.principal
        if isinstance(principal, UserPrincipal) and principal.session_id is not None:
            details["session_id"] = str(principal.session_id)
        entry = Entry(
            account_id=caller.account_id,
            sequence=head.sequence + 1,
            id=self._ids(),
            at=head.now.astimezone(UTC),
            actor=caller.kind,
            actor_id=caller.name,
            target_id=None if target_id is None else str(target_id),
            address=caller.address,
            request_id=caller.request_id,
            details=details,
            **members,
        )
        columns = {**entry.members(), "details": dumps(details).decode()}
        columns["mac"] = link(self._key.reveal(), head.mac, entry)
        columns["format"] = FORMAT
        return columns

    def _seal(self, columns: dict[str, Any]) -> bytes:
        key = self._key.reveal()
        return seal(key, columns["account_id"], columns["sequence"], columns["mac"])

    async def _may_seal(self, account_id: UUID, head: Head) -> bool:
        """Return whether the chain really ended at this head, as far as that can be known.

        It did if the head is sealed, if there is no entry yet, or if a release that does not seal
        wrote the newest one.
        """
        key = self._key.reveal()
        at = head.sealed_sequence
        if at == head.sequence:
            return _is(head.seal, seal(key, account_id, at, head.mac))
        if head.sequence == 0:
            return at is None
        # Citus cannot plan a join with nothing: no entry has the number 0.
        sealed = 0 if at is None else at
        rows = await self._executor.fetch(
            _NEWEST, account=account_id, sequence=head.sequence, sealed=sealed
        )
        for written_as, sealed_mac in rows:
            return written_as < FORMAT and (
                at is None
                or (
                    sealed_mac is not None and _is(head.seal, seal(key, account_id, at, sealed_mac))
                )
            )
        return False

    async def _head(self, account_id: UUID) -> Head:
        rows = await self._executor.fetch(HEAD, account=account_id)
        if not rows:
            await self._executor.fetch(_FIRST, account=account_id, sequence=0, mac=GENESIS)
            rows = await self._executor.fetch(HEAD, account=account_id)
        (row,) = rows
        return Head._make(row)


def _is(found: bytes | None, expected: bytes) -> bool:
    return found is not None and hmac.compare_digest(found, expected)
