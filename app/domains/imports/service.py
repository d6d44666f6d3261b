"""Receives a file: checks its rows while it arrives, and stages them for a worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from app.api.schemas import LONGEST_NAME
from app.api.unit_of_work import UnitOfWork
from app.db.base import new_id
from app.db.models.deletion import IMPORT_TRADES
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.log import AuditLog
from app.domains.events.log import EventLog
from app.domains.events.types import EventType
from app.domains.imports.errors import (
    DailyImportExceeded,
    ImportEnded,
    ImportInProgress,
    unfit,
    unreadable,
)
from app.domains.imports.formats.faults import NO_RECORD
from app.domains.imports.formats.registry import FormatKind, media_types, records_of
from app.domains.imports.formats.row import Format, ImportedTrade, Outcome, Refusal, Target
from app.domains.imports.instruments import Instruments, LookUp
from app.domains.imports.records import CsvRecords, Malformed, Record, Records
from app.domains.imports.repository import ImportRepository, StagingRepository, empty_receipt
from app.domains.imports.schemas import MOST_KEPT, MOST_ROWS
from app.domains.operations.events import progress_of
from app.domains.operations.repository import OperationRepository, OperationRow
from app.domains.trading.errors import TOLERANCE, ClockAhead
from app.errors import AppError, NotFound, UnsupportedMediaType
from botkeys.exchanges.model import ContractType

BATCH = 1000
"""Rows that are staged in one statement: so many of a file are in memory at most, and no more."""

SLICE = 100
"""Records after which other requests of this process have their turn."""

FLUSH_SECONDS = 5.0
"""How long rows of a slow upload wait before they are staged, which also keeps the import alive."""

_MOST_MEMBERS = 200
_TOO_MANY = f"The file has more than {MOST_ROWS} rows. Split it, and import the parts one by one."
_STOPPED = "The upload was interrupted. Nothing was stored."
_TOO_MANY_MEMBERS = Refusal("invalid_item", "item: has too many members (too_many_members)")


class Wanted(NamedTuple):
    """The query of an import."""

    kind: FormatKind
    key_id: UUID
    bot_id: UUID | None
    on_error: str
    dry_run: bool
    zone: ZoneInfo | None = None


class ImportService:
    """The imports of one account."""

    def __init__(
        self,
        *,
        imports: ImportRepository,
        operations: OperationRepository,
        accounts: AccountRepository,
        audit: AuditLog,
        events: EventLog,
        work: UnitOfWork,
        staging: Callable[[UUID], StagingRepository],
        aside: Callable[[], AbstractAsyncContextManager[None]],
        look_up: LookUp,
        rows_a_day: int,
    ) -> None:
        self._imports = imports
        self._operations = operations
        self._accounts = accounts
        self._audit = audit
        self._events = events
        self._work = work
        self._staging = staging
        self._aside = aside
        self._look_up = look_up
        self._rows_a_day = rows_a_day

    async def receive(
        self, wanted: Wanted, media_type: str, chunks: AsyncIterator[bytes]
    ) -> OperationRow:
        """Read the file and hand it over to the workers. Nothing is stored before that."""
        records = records_of(wanted.kind, media_type)
        if records is None:
            raise UnsupportedMediaType(media_types(wanted.kind))
        target, now = await self._target(wanted)
        operation_id, claim = new_id(), uuid4()
        staging = self._staging(operation_id)
        reading = _Reading(
            records=records,
            form=wanted.kind.form(target),
            staging=staging,
            claim=claim,
            begin=partial(self._begin, wanted, target, operation_id, claim),
            instruments=Instruments(self._look_up, target.place),
            latest=now + TOLERANCE,
        )
        try:
            # Other writes of the account have their turn while the file arrives.
            async with self._aside():
                await reading.read(chunks)
            return await self._finish(wanted, operation_id, claim, reading)
        except BaseException as error:
            sentence = error.detail if isinstance(error, AppError) else _STOPPED
            # Otherwise the claim lapses, and a worker ends the import.
            if not reading.begun:
                raise
            with suppress(Exception):
                await self._work.rollback()
                staged = reading.staged > 0
                await asyncio.shield(staging.reject(claim, sentence, staged=staged))
            raise

    async def _target(self, wanted: Wanted) -> tuple[Target, datetime]:
        """Return what the history belongs to, and the time. No transaction is open afterwards."""
        await self._accounts.lock_shared()
        key = await self._imports.key(wanted.key_id)
        if key is None:
            raise NotFound
        if wanted.bot_id is not None and not await self._imports.has_bot(wanted.bot_id):
            raise NotFound
        exchange = wanted.kind.exchange
        if exchange is not None and exchange != key.exchange:
            sentence = f"A file of this format belongs to a key of {exchange}"
            raise unfit("format", "format_of_another_exchange", sentence)
        today = await self._imports.today()
        if today.stored >= self._rows_a_day:
            raise DailyImportExceeded(self._rows_a_day, today.left)
        if await self._imports.is_busy():
            raise ImportInProgress
        await self._work.commit_own()
        target = Target(
            wanted.key_id,
            key.exchange,
            key.environment,
            ContractType(key.contract_type),
            key.region,
            wanted.bot_id,
            key.others,
            wanted.zone,
        )
        return target, today.now

    async def _begin(self, wanted: Wanted, target: Target, operation_id: UUID, claim: UUID) -> None:
        """Add the operation, once there are rows: a file that is refused before leaves nothing."""
        await self._accounts.lock_shared()
        scope = {
            "scope": "key",
            "key_ids": [str(wanted.key_id)],
            "environment": target.environment,
            "format": wanted.kind.name,
            "bot_id": None if wanted.bot_id is None else str(wanted.bot_id),
            "on_error": wanted.on_error,
            "dry_run": wanted.dry_run,
        }
        begun = await self._imports.begin(
            operation_id, claim, scope=scope, environment=target.environment
        )
        if not begun:
            raise ImportInProgress
        await self._work.commit_own()

    async def refused(self, operation_id: UUID) -> list[dict[str, Any]]:
        """Return the refused rows that were kept. Raises `NotFound` unless it is an import."""
        row = await self._operations.get(operation_id)
        if row is None or row.kind != IMPORT_TRADES:
            raise NotFound
        return await self._imports.refusals(operation_id, MOST_KEPT)

    async def _finish(
        self, wanted: Wanted, operation_id: UUID, claim: UUID, reading: "_Reading"
    ) -> OperationRow:
        receipt = reading.receipt()
        await self._accounts.lock_shared()
        key = await self._imports.key(wanted.key_id)
        if key is None or not await self._imports.received(
            operation_id, claim, receipt, reading.staged
        ):
            raise ImportEnded
        await self._audit.record(
            "data.import",
            target="operation",
            target_id=operation_id,
            environment=key.environment,
            key_id=str(wanted.key_id),
            format=wanted.kind.name,
            dry_run=wanted.dry_run,
            rows=receipt["imported"]["read"],
        )
        row = await self._operations.get(operation_id)
        if row is None:
            raise ImportEnded
        await self._events.add(EventType.OPERATION_PROGRESS, **progress_of(row))
        return row


class _Reading:
    """The reading of one file."""

    def __init__(
        self,
        *,
        records: Records,
        form: Format,
        staging: StagingRepository,
        claim: UUID,
        begin: Callable[[], Awaitable[None]],
        instruments: Instruments,
        latest: datetime,
    ) -> None:
        self._records = records
        self._form = form
        self._staging = staging
        self._claim = claim
        self._begin = begin
        self._instruments = instruments
        self.begun = False
        self._latest = latest
        self._csv = isinstance(records, CsvRecords)
        self._rows: list[tuple[Any, ...]] = []
        self._refusals: list[tuple[int, str, str]] = []
        self._refused: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._since_flush = 0
        self._flushed_at = _now()
        self.staged = 0
        self._line = 0

    def receipt(self) -> dict[str, Any]:
        receipt = empty_receipt()
        counts = receipt["imported"]
        counts.update(self._counts)
        counts["duplicate"] = counts["repeated"]
        counts["refused"] = dict(self._refused)
        return receipt

    async def read(self, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                await self._take(self._records.feed(chunk))
            await self._take(self._records.end())
            for outcome in self._form.end():
                self._sort(self._line, outcome)
            await self._flush()
        except Malformed as error:
            raise unreadable(error.sentence) from None

    async def _take(self, records: Iterable[Record]) -> None:
        iterator = iter(records)
        while some := list(islice(iterator, SLICE)):
            await self._instruments.learn(self._names(some))
            for record in some:
                if self._counts["read"] >= MOST_ROWS:
                    raise unreadable(_TOO_MANY)
                self._counts["read"] += 1
                self._since_flush += 1
                self._line = record.line
                for outcome in self._outcomes(record):
                    self._sort(record.line, outcome)
            if len(self._rows) + len(self._refusals) >= BATCH:
                await self._flush()
            else:
                await asyncio.sleep(0)
        if self.begun and _now() - self._flushed_at > FLUSH_SECONDS:
            await self._flush()

    def _names(self, records: Iterable[Record]) -> Iterator[str]:
        for record in records:
            name = None if record.members is None else self._form.name(record.members)
            if name is not None and len(name) <= LONGEST_NAME and name.isprintable():
                yield name

    def _outcomes(self, record: Record) -> Iterable[Outcome]:
        if record.members is None:
            return [NO_RECORD]
        if len(record.members) > _MOST_MEMBERS:
            return [_TOO_MANY_MEMBERS]
        name = self._form.name(record.members)
        listed = None if name is None else self._instruments.find(name)
        return self._form.read(record.members, listed, csv=self._csv)

    def _sort(self, line: int, outcome: Outcome) -> None:
        if isinstance(outcome, ImportedTrade):
            if outcome.closed_at <= self._latest:
                self._rows.append((line, *outcome))
                return
            outcome = Refusal(ClockAhead.code, ClockAhead.detail)
        if isinstance(outcome, Refusal):
            if self._refused.total() < MOST_KEPT:
                self._refusals.append((line, *outcome))
            self._refused[outcome.code] += 1
        else:
            self._counts["skipped"] += 1

    async def _flush(self) -> None:
        rows, refusals, read = self._rows, self._refusals, self._since_flush
        self._rows, self._refusals, self._since_flush = [], [], 0
        if not self.begun:
            await self._begin()
            self.begun = True
        # In the order of the key, as overlapping statements must be.
        rows.sort(key=lambda row: (row[1], row[2], row[0]))
        staged = await self._staging.stage(
            self._claim, rows, refusals, read=read, receipt=self.receipt()
        )
        if staged is None:
            raise ImportEnded
        self.staged += staged
        self._counts["repeated"] += len(rows) - staged
        self._flushed_at = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()
