"""Verifies the chain of an account's audit log, link by link, up to its sealed head."""

import hmac
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow
from app.db.models import AuditEvent, AuditHead, AuditStart
from app.domains.audit.entry import FORMAT, GENESIS, MEMBERS, Entry, link, seal
from app.domains.audit.start import Start
from botkeys.sealing.boxes import SecretBytes

_BATCH = 1000


@dataclass(slots=True)
class Chain:
    """What verifying an account's chain found. `sequence` and `mac` are its last sound link.

    `broken_at` is the number of the first entry that is missing or altered, and `fault` says what
    is wrong. `sealed` tells whether the head's seal covers the newest entry; a chain whose newest
    entries were written by a release that does not seal is intact but not sealed. `noted` is the
    MAC of the entry that the caller asked for.
    `start` says where the chain begins if older entries were retired.
    """

    account_id: UUID
    sequence: int = 0
    mac: bytes = GENESIS
    broken_at: int | None = None
    fault: str = ""
    sealed: bool = False
    noted: bytes | None = None
    start: Start | None = None

    def broken(self, sequence: int, fault: str) -> "Chain":
        self.broken_at, self.fault = sequence, fault
        return self


class _Walk:
    """One walk along a chain: what it has to remember from entry to entry."""

    def __init__(self, chain: Chain, key: SecretBytes, head: AnyRow | None, note: int) -> None:
        self.chain = chain
        self._key = bytes(key.reveal())
        self._sealed_sequence = None if head is None else head.sealed_sequence
        self._seal = None if head is None else head.seal
        self._note = note
        self.newest_sealing = 0
        """The newest entry of a release that seals."""
        self.seal_holds = False
        self._keep()

    def begin(self, row: AnyRow) -> bool:
        """Begin at a start; return whether its seal holds."""
        start = self.chain.start = Start.of(row)
        self.chain.sequence, self.chain.mac = start.sequence, start.mac
        self._keep()
        return hmac.compare_digest(start.seal(self._key), row.seal)

    def step(self, row: AnyRow) -> bool:
        """Verify one more entry; return whether it is the next link."""
        chain = self.chain
        names = MEMBERS.get(row.format)
        if row.sequence != chain.sequence + 1 or names is None:
            return False
        values = {name: getattr(row, name) for name in names}
        values["at"] = values["at"].astimezone(UTC)
        mac = link(self._key, chain.mac, Entry(**values), row.format)
        if not hmac.compare_digest(mac, row.mac):
            return False
        chain.sequence, chain.mac = row.sequence, mac
        if row.format >= FORMAT:
            self.newest_sealing = row.sequence
        self._keep()
        return True

    def _keep(self) -> None:
        """Keep what the caller and the head ask for of the link that was just verified."""
        chain = self.chain
        if chain.sequence == self._note:
            chain.noted = chain.mac
        if chain.sequence == self._sealed_sequence and self._seal is not None:
            expected = seal(self._key, chain.account_id, chain.sequence, chain.mac)
            self.seal_holds = hmac.compare_digest(expected, self._seal)


async def verify(
    session: AsyncSession, hmac_key: SecretBytes, account_id: UUID, *, note: int = 0
) -> Chain:
    """Verify the chain in the session's snapshot; keep the MAC of the entry with number `note`.

    Call it in a transaction that sees one state: a change in between looks like a broken chain.
    """
    head = (
        await session.execute(select(AuditHead.__table__).where(AuditHead.account_id == account_id))
    ).one_or_none()
    chain = Chain(account_id)
    walk = _Walk(chain, hmac_key, head, note)
    start = (
        await session.execute(
            select(AuditStart.__table__)
            .where(AuditStart.account_id == account_id)
            .order_by(AuditStart.sequence.desc())
            .limit(1)
        )
    ).one_or_none()
    if start is not None and not walk.begin(start):
        return chain.broken(1, "what it says about retired entries was altered")
    left = select(AuditEvent.sequence).where(
        AuditEvent.account_id == account_id, AuditEvent.sequence <= chain.sequence
    )
    if (number := await session.scalar(left.limit(1))) is not None:
        return chain.broken(number, f"entry {number} was retired, or has a number below 1")
    while True:
        rows = (
            await session.execute(
                select(AuditEvent.__table__)
                .where(AuditEvent.account_id == account_id, AuditEvent.sequence > chain.sequence)
                .order_by(AuditEvent.sequence)
                .limit(_BATCH)
            )
        ).all()
        for row in rows:
            if not walk.step(row):
                number = chain.sequence + 1
                return chain.broken(number, f"entry {number} is missing or altered")
        if len(rows) < _BATCH:
            return _ended(walk, head)


def _ended(walk: _Walk, head: AnyRow | None) -> Chain:
    """Compare the end of the walk with the head."""
    chain = walk.chain
    number = chain.sequence
    if head is None:
        return chain if number == 0 else chain.broken(1, "the head of its chain is missing")
    if head.sequence > number:
        return chain.broken(number + 1, f"entry {number + 1} is missing or altered")
    if head.sequence < number:
        return chain.broken(number, f"the head of its chain ends before entry {number}")
    if not hmac.compare_digest(chain.mac, head.mac):
        return chain.broken(number, "the head of its chain does not match its newest entry")
    sealed_to = head.sealed_sequence or 0
    must_be_sealed = walk.newest_sealing or sealed_to or head.seal is not None
    if must_be_sealed and not (walk.seal_holds and walk.newest_sealing <= sealed_to):
        return chain.broken(
            number + 1, f"entries after {number} are missing, or the seal of its head is"
        )
    chain.sealed = sealed_to == number and walk.seal_holds
    return chain
