"""`botkeys audit retire`: removes old entries from the start of every account's chain.

Whole months are dropped, in one transaction with the starts of all chains. Only entries that have
no month of their own, such as those from before there were months, are deleted one by one.
"""

import getpass
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.commands.audit_months import Months, months_before
from app.commands.verify_audit import SNAPSHOT, accounts_with_log
from app.custody.keyfiles import KeyFolder, KeyKind
from app.db.engine import open_database
from app.db.models import AuditEvent, AuditHead, AuditStart
from app.domains.audit.chain import Chain, verify
from app.domains.audit.entry import seal
from app.domains.audit.start import Start
from app.settings import Settings, SettingsError
from botkeys.sealing.boxes import SecretBytes

LEAST_KEPT = timedelta(days=31)


async def retire(settings: Settings, report: Callable[[str], None], before: datetime) -> bool:
    """Remove the entries from before this moment's month; return whether all of them could go.

    The chain of each account is verified before, and begins with a sealed start afterwards. The
    login must own the tables. Raises `SettingsError` if the moment is not long ago.
    """
    now = datetime.now(UTC)
    if before > now - LEAST_KEPT:
        raise SettingsError(f"Entries of the last {LEAST_KEPT.days} days cannot be retired.")
    url = settings.require_direct_database()
    key = KeyFolder(settings.keys_folder).read_secret(KeyKind.AUDIT_HMAC)
    month = before.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    database = open_database(
        url.get_secret_value(), application_name="botkeys-audit", pool_size=None
    )
    try:
        return await _Retirement(database.sessions, key, report, month, now).run()
    finally:
        await database.close()


class _Planned(NamedTuple):
    """Where a chain will begin, and how many entries that leaves out."""

    start: Start
    entries: int


class _Retirement:
    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        key: SecretBytes,
        report: Callable[[str], None],
        before: datetime,
        now: datetime,
    ) -> None:
        self._sessions = sessions
        self._key = key
        self._report = report
        self._before = before
        self._now = now

    async def run(self) -> bool:
        async with self._sessions() as session:
            login = await session.scalar(select(func.current_user()))
            months = await months_before(session, self._before)
        who = f"{getpass.getuser()}@{socket.gethostname()} as {login}"
        whole = True
        deleted: list[int] = []
        planned: list[_Planned] = []
        async for account_id in accounts_with_log(self._sessions):
            last = await self._last_old(account_id)
            if last is None:
                continue
            plan = await self._plan(account_id, last, who)
            if plan is None:
                whole = False
            elif await self._elsewhere(plan.start, months):
                await self._delete(plan.start)
                deleted.append(plan.entries)
            else:
                planned.append(plan)
        dropped = whole and await self._drop(months, planned)
        if not whole and months.names:
            self._report("No month was dropped, since not all of its chains could be verified.")
        retired = [*deleted, *(plan.entries for plan in planned if dropped)]
        self._report(
            f"{sum(retired)} entries of {len(retired)} accounts from before "
            f"{self._before:%Y-%m-%d} were retired by {who}."
        )
        return dropped

    async def _plan(self, account_id: UUID, last: int, who: str) -> _Planned | None:
        """Verify the chain and seal its head; return `None` after reporting why it must stay."""
        async with self._sessions() as session:
            await session.connection(execution_options=SNAPSHOT)
            chain = await verify(session, self._key, account_id, note=last)
        if chain.broken_at is not None or chain.noted is None:
            self._report(f"Account {account_id}: {chain.fault}. Nothing of it was retired.")
            return None
        if not chain.sealed and not await self._seal(chain):
            self._report(f"Account {account_id}: its log was just written. Try again.")
            return None
        start = Start(account_id, last, chain.noted, self._before, self._now, who)
        return _Planned(start, last - (0 if chain.start is None else chain.start.sequence))

    async def _drop(self, months: Months, planned: list[_Planned]) -> bool:
        starts = [plan.start for plan in planned]
        if not await months.drop(self._sessions, starts, bytes(self._key.reveal())):
            self._report(
                "No month was dropped, since other sessions held locks on the audit log. Try again."
            )
            return False
        if months.names:
            self._report(f"Months dropped: {', '.join(months.names)}.")
        return True

    async def _elsewhere(self, start: Start, months: Months) -> bool:
        """Return whether the start leaves out an entry that is in no month to be dropped."""
        query = select(
            exists().where(
                AuditEvent.account_id == start.account_id,
                AuditEvent.sequence <= start.sequence,
                months.elsewhere(),
            )
        )
        async with self._sessions() as session:
            return bool(await session.scalar(query))

    async def _delete(self, start: Start) -> None:
        """Delete the entries before the start one by one."""
        async with self._sessions.begin() as session:
            await session.execute(text("SET LOCAL statement_timeout = 0"))
            await session.execute(
                insert(AuditStart).values(
                    account_id=start.account_id,
                    sequence=start.sequence,
                    mac=start.mac,
                    before=start.before,
                    retired_at=start.retired_at,
                    retired_by=start.retired_by,
                    seal=start.seal(self._key.reveal()),
                )
            )
            await session.execute(
                delete(AuditEvent).where(
                    AuditEvent.account_id == start.account_id, AuditEvent.sequence <= start.sequence
                )
            )

    async def _seal(self, chain: Chain) -> bool:
        """Seal a head that was verified: afterwards, the entries that prove it may be gone."""
        statement = (
            update(AuditHead)
            .where(
                AuditHead.account_id == chain.account_id,
                AuditHead.sequence == chain.sequence,
                AuditHead.mac == chain.mac,
            )
            .values(
                seal=seal(self._key.reveal(), chain.account_id, chain.sequence, chain.mac),
                sealed_sequence=chain.sequence,
            )
        )
        async with self._sessions.begin() as session:
            done = await session.execute(statement)
        return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE counts its rows

    async def _last_old(self, account_id: UUID) -> int | None:
        """Return the last entry before the moment, of which no earlier entry is newer.

        Clocks are set back at times, so the order of entries is that of their numbers.
        """
        of_account = AuditEvent.account_id == account_id
        first_kept = (
            select(func.min(AuditEvent.sequence))
            .where(of_account, AuditEvent.at >= self._before)
            .scalar_subquery()
        )
        query = select(func.max(AuditEvent.sequence)).where(
            of_account,
            AuditEvent.at < self._before,
            func.coalesce(AuditEvent.sequence < first_kept, True),
        )
        async with self._sessions() as session:
            last: int | None = await session.scalar(query)
        return last
