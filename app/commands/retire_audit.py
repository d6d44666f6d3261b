"""`botkeys audit retire`: removes old entries from the start of every account's chain."""

import getpass
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

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
    """Remove the entries from before this moment; return whether that was possible everywhere.

    The chain of each account is verified before, and begins with a sealed start afterwards. The
    login must own the tables. Raises `SettingsError` if the moment is not long ago.
    """
    now = datetime.now(UTC)
    if before > now - LEAST_KEPT:
        raise SettingsError(f"Entries of the last {LEAST_KEPT.days} days cannot be retired.")
    url = settings.direct_database_url or settings.database_url
    if url is None:
        raise SettingsError("BOTKEYS_DATABASE_URL is not set, but this command needs a database.")
    key = KeyFolder(settings.keys_folder).read_secret(KeyKind.AUDIT_HMAC)
    database = open_database(
        url.get_secret_value(), application_name="botkeys-audit", pool_size=None
    )
    try:
        return await _Retirement(database.sessions, key, report, before, now).run()
    finally:
        await database.close()


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
        who = f"{getpass.getuser()}@{socket.gethostname()} as {login}"
        whole, entries, accounts = True, 0, 0
        async for account_id in accounts_with_log(self._sessions):
            retired = await self._retire(account_id, who)
            if retired is None:
                whole = False
            else:
                entries += retired
                accounts += retired > 0
        self._report(f"{entries} entries of {accounts} accounts were retired by {who}.")
        return whole

    async def _retire(self, account_id: UUID, who: str) -> int | None:
        """Retire the entries of one account; return how many, `None` if its chain is broken."""
        last = await self._last_old(account_id)
        if last is None:
            return 0
        async with self._sessions() as session:
            await session.connection(execution_options=SNAPSHOT)
            chain = await verify(session, self._key, account_id, note=last)
        if chain.broken_at is not None or chain.noted is None:
            self._report(f"Account {account_id}: {chain.fault}. Nothing was retired.")
            return None
        start = Start(account_id, last, chain.noted, self._before, self._now, who)
        async with self._sessions.begin() as session:
            await session.execute(text("SET LOCAL statement_timeout = 0"))
            if not chain.sealed and not await self._seal(session, chain):
                self._report(f"Account {account_id}: its log was just written. Try again.")
                return None
            await session.execute(
                insert(AuditStart).values(
                    account_id=account_id,
                    sequence=last,
                    mac=start.mac,
                    before=start.before,
                    retired_at=start.retired_at,
                    retired_by=who,
                    seal=start.seal(self._key.reveal()),
                )
            )
            done = await session.execute(
                delete(AuditEvent).where(
                    AuditEvent.account_id == account_id, AuditEvent.sequence <= last
                )
            )
        return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE counts its rows

    async def _seal(self, session: AsyncSession, chain: Chain) -> bool:
        """Seal a head that was verified: afterwards, the entries that prove it may be gone."""
        done = await session.execute(
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
