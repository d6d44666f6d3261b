"""`botkeys audit verify`: checks the audit chain of every account, alone and against anchors."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.custody.keyfiles import KeyFolder, KeyKind
from app.db.models import Account, AuditHead, Bot, Key
from app.domains.audit.anchors import Anchor, AnchorReader, AnchorWriter
from app.domains.audit.chain import Chain, verify
from app.process.startup import open_settings_database
from app.settings import Settings
from botkeys.sealing.boxes import SecretBytes

_PAGE = 1000
_MOST_NAMED = 100
SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""The options of a connection that sees one state of the database."""


async def accounts_with_log(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[UUID]:
    """Yield all accounts with a log in the order of their ids, a page in memory at a time."""
    last: UUID | None = None
    while True:
        query = select(AuditHead.account_id).order_by(AuditHead.account_id).limit(_PAGE)
        if last is not None:
            query = query.where(AuditHead.account_id > last)
        async with sessions() as session:
            page = list(await session.scalars(query))
        for account_id in page:
            yield account_id
        if len(page) < _PAGE:
            return
        last = page[-1]


async def verify_all(
    settings: Settings,
    report: Callable[[str], None],
    *,
    write: Path | None = None,
    against: Path | None = None,
) -> bool:
    """Check all chains and report each broken one; return whether all are intact.

    `against` names anchors that every chain must continue; `write` a file that gets new ones if all
    are intact. Raises `AnchorsUnusable`.
    """
    key = KeyFolder(settings.keys_folder).read_secret(KeyKind.AUDIT_HMAC)
    anchors = None if against is None else AnchorReader(against, key)
    database = open_settings_database(settings, "botkeys-audit")
    try:
        return await _Verification(database.sessions, key, report, anchors).run(write)
    finally:
        await database.close()


class _Verification:
    """One check of all chains. Chains and anchors are read side by side, in the order of ids."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        key: SecretBytes,
        report: Callable[[str], None],
        anchors: AnchorReader | None,
    ) -> None:
        self._sessions = sessions
        self._key = key
        self._report = report
        self._anchors = anchors
        self._whole = True
        self._count = 0
        self._unsealed = 0
        self._retired: Counter[str] = Counter()

    async def run(self, write: Path | None) -> bool:
        with ExitStack() as stack:
            writer = None
            if write is not None:
                now = datetime.now(UTC)
                writer = stack.enter_context(AnchorWriter(write, self._key, now))
            await self._check_chains(writer)
            await self._check_accounts()
            self._summarize()
            if writer is not None and self._whole:
                writer.end()
                self._report(f"{write} has the heads of all {self._count} chains.")
            elif writer is not None:
                self._report(f"{write} was not written.")
        return self._whole

    async def _check_chains(self, writer: AnchorWriter | None) -> None:
        anchors = iter(()) if self._anchors is None else iter(self._anchors)
        anchor = next(anchors, None)
        async for account_id in accounts_with_log(self._sessions):
            while anchor is not None and anchor.account_id < account_id:
                self._missing(anchor)
                anchor = next(anchors, None)
            mine = anchor if anchor is not None and anchor.account_id == account_id else None
            chain = await self._chain(account_id, mine)
            if writer is not None:
                writer.add(chain)
            if mine is not None:
                anchor = next(anchors, None)
        while anchor is not None:
            self._missing(anchor)
            anchor = next(anchors, None)

    async def _chain(self, account_id: UUID, anchor: Anchor | None) -> Chain:
        async with self._sessions() as session:
            await session.connection(execution_options=SNAPSHOT)
            chain = await verify(
                session, self._key, account_id, note=0 if anchor is None else anchor.sequence
            )
        self._count += 1
        self._unsealed += not chain.sealed
        if chain.start is not None and (
            len(self._retired) < _MOST_NAMED or str(chain.start) in self._retired
        ):
            self._retired[str(chain.start)] += 1
        begins_at = 0 if chain.start is None else chain.start.sequence
        if chain.broken_at is not None:
            self._broken(account_id, chain.fault)
        elif anchor is not None and chain.sequence < anchor.sequence:
            self._broken(
                account_id,
                f"its log ends with entry {chain.sequence}, but had {anchor.sequence} entries "
                f"at {self._then}",
            )
        elif (
            anchor is not None and anchor.sequence and anchor.sequence >= begins_at
        ) and chain.noted != anchor.mac:
            self._broken(
                account_id, f"entry {anchor.sequence} is another one than it was at {self._then}"
            )
        return chain

    async def _check_accounts(self) -> None:
        """Report accounts in which something was done, yet which have no log."""
        logged = exists().where(AuditHead.account_id == Account.account_id, AuditHead.sequence > 0)
        used = or_(
            Account.tokens_from.is_not(None),
            exists().where(Bot.account_id == Account.account_id),
            exists().where(Key.account_id == Account.account_id),
        )
        query = select(Account.account_id).where(used, ~logged).limit(_MOST_NAMED)
        async with self._sessions() as session:
            for account_id in await session.scalars(query):
                self._broken(account_id, "it has bots or keys, or was closed, but has no log")

    def _missing(self, anchor: Anchor) -> None:
        self._broken(
            anchor.account_id,
            f"its whole log is missing, but had {anchor.sequence} entries at {self._then}",
        )

    @property
    def _then(self) -> str:
        return "" if self._anchors is None else self._anchors.written_at

    def _broken(self, account_id: UUID, fault: str) -> None:
        self._whole = False
        self._report(f"Account {account_id}: {fault}.")

    def _summarize(self) -> None:
        if self._anchors is not None:
            self._report(f"Compared with {self._anchors.count} heads of {self._then}.")
        for start, count in sorted(self._retired.items()):
            self._report(f"{count} chains begin later: {start}.")
        if self._unsealed:
            self._report(
                f"{self._unsealed} chains end with an entry of a release that does not seal: that "
                "nothing was cut off after it, only anchors can tell."
            )
        found = "all are intact" if self._whole else "NOT all are intact"
        self._report(f"{self._count} chains checked: {found}.")
