"""Stores what users have imported, in batches, each a transaction of its own.

A worker that dies loses its claim; another one continues after the last batch that was committed.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import structlog
from sqlalchemy import BigInteger, Double, Text, Uuid, bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.failures import is_conflict, is_outage
from app.domains.operations.events import PROGRESS_SECONDS, add_progress
from app.worker.rollups import recompute_past
from app.worker.watch import beat

_FAILED = "An internal error stopped the import. What it had stored is removed."
_CUT_OFF = "The upload was interrupted. Nothing was stored."
_KEYLESS = "The key was deleted while its history was imported."
_BEHIND_SECONDS = 1.0
"""How long the days behind a batch are added up at most, before the next batch."""
_REFUSED = "Rows were refused, so nothing was stored, as `on_error=abort` asks."
log = structlog.get_logger("botkeys.worker")


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """The limits of importing. `batch` is in rows, which are stored under the account's lock.

    A claim lapses `claim` seconds after the last batch. After `turn` seconds an import yields to
    another one that waits for a worker.
    """

    batch: int = 5_000
    clearing: int = 50_000
    claim: float = 30
    turn: float = 5


DEFAULT_LIMITS = ImportLimits()


class _Claimed(NamedTuple):
    account_id: UUID
    id: UUID
    phase: str
    error: str | None
    cancelled: bool


class _Lost(Exception):
    """Another worker holds the import by now, or it has ended."""


_UUIDS = ("account", "operation", "claim")
_CLAIM = text(
    "SELECT account_id, id, phase, error, cancelled FROM claim_import(:claim, :seconds)"
).bindparams(bindparam("claim", type_=Uuid()), bindparam("seconds", type_=Double()))
_STEPS = {
    name: text(f"SELECT {name}(:account, :operation, :claim, :seconds, :most)").bindparams(
        *(bindparam(parameter, type_=Uuid()) for parameter in _UUIDS),
        bindparam("seconds", type_=Double()),
        bindparam("most", type_=BigInteger()),
    )
    for name in ("store_import", "undo_import", "clear_import")
}
_END = text("SELECT end_import(:account, :operation, :claim, :status, :error)").bindparams(
    *(bindparam(parameter, type_=Uuid()) for parameter in _UUIDS),
    bindparam("status", type_=Text()),
    bindparam("error", type_=Text()),
)
_SWEEP = text("SELECT sweep_imports(:most)").bindparams(bindparam("most", type_=BigInteger()))


async def store_imported(
    sessions: async_sessionmaker[AsyncSession], limits: ImportLimits = DEFAULT_LIMITS
) -> int:
    """Work on imports until none is waiting; return how many were ended.

    Raises database outages: the claim lapses, and the work continues later.
    """
    ended = 0
    while True:
        claim = uuid4()
        async with sessions.begin() as session:
            found = await session.execute(_CLAIM, {"claim": claim, "seconds": limits.claim})
            row = found.one_or_none()
        if row is None:
            break
        claimed = _Claimed._make(row)
        try:
            ended += await _Import(sessions, claimed, claim, limits).go_on()
        except _Lost:
            log.info("import_lost", operation=str(claimed.id))
    await _sweep(sessions, limits.clearing)
    return ended


async def _sweep(sessions: async_sessionmaker[AsyncSession], most: int) -> None:
    """Remove the staged rows of imports that ended without a worker: their account was closed."""
    while True:
        async with sessions.begin() as session:
            swept = int(await session.scalar(_SWEEP, {"most": most}) or 0)
        beat()
        if swept < most:
            return


class _Import:
    """One worker's turn on one import."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        claimed: _Claimed,
        claim: UUID,
        limits: ImportLimits,
    ) -> None:
        self._sessions = sessions
        self._claimed = claimed
        self._limits = limits
        self._next_event = _now() + PROGRESS_SECONDS
        self._place: dict[str, Any] = {
            "account": claimed.account_id,
            "operation": claimed.id,
            "claim": claim,
        }

    async def go_on(self) -> bool:
        """Continue the import; return whether it has ended, else other workers may continue."""
        try:
            return await self._go_on()
        except Exception as error:
            if isinstance(error, _Lost | OSError) or is_outage(error) or is_conflict(error):
                raise
            log.exception("import_failed", operation=str(self._claimed.id))
            await self._undo_and_end("failed", _FAILED)
            return True

    async def _go_on(self) -> bool:
        phase, error, cancelled = self._claimed[2:]
        if phase in {"receiving", "rejected"}:
            await self._end("cancelled" if cancelled else "failed", error or _CUT_OFF)
            return True
        if phase == "undoing":
            await self._undo_and_end(*(("cancelled", None) if cancelled else ("failed", _FAILED)))
            return True
        until = _now() + self._limits.turn
        while True:
            step = await self._step("store_import", self._limits.batch)
            if step == "more":
                await self._added_up(min(until, _now() + _BEHIND_SECONDS), but_newest=True)
                if _now() >= until:
                    await self._send_end("running", None)
                    return False
                continue
            if step == "cancelled":
                await self._undo_and_end("cancelled", None)
            elif step == "keyless":
                await self._undo_and_end("failed", _KEYLESS)
            elif step == "refused":
                await self._end("failed", _REFUSED)
            else:
                if not await self._added_up(until):
                    await self._send_end("running", None)
                    return False
                await self._end("succeeded", None)
            return True

    async def _added_up(self, until: float, *, but_newest: bool = False) -> bool:
        """Recompute the days that the import has changed; return whether that is done.

        Otherwise summaries would add up all its trades one by one, until the days had their turn.
        """
        account_id, seconds = self._claimed.account_id, max(until - _now(), 0)
        try:
            return await recompute_past(self._sessions, account_id, seconds, but_newest=but_newest)
        except SQLAlchemyError as error:
            if is_outage(error) or is_conflict(error):
                raise
            # What is stored is not undone for that: the days keep their marks.
            log.exception("import_not_added_up", operation=str(self._claimed.id))
            return True

    async def _undo_and_end(self, status: str, error: str | None) -> None:
        while await self._step("undo_import", self._limits.batch) == "more":
            pass
        await self._end(status, error)

    async def _end(self, status: str, error: str | None) -> None:
        while await self._step("clear_import", self._limits.clearing) == "more":
            pass
        await self._send_end(status, error)
        log.info("import_ended", operation=str(self._claimed.id), status=status)

    async def _step(self, name: str, most: int) -> str:
        """Run one batch; return what is next. Raises `_Lost`."""
        began = _now()
        async with self._sessions.begin() as session:
            values = {**self._place, "seconds": self._limits.claim, "most": most}
            step = str(await session.scalar(_STEPS[name], values))
        if step == "lost":
            raise _Lost
        beat()
        log.info(
            "import_batch",
            operation=str(self._claimed.id),
            step=name,
            next=step,
            seconds=round(_now() - began, 3),
        )
        return step

    async def _send_end(self, status: str, error: str | None) -> None:
        async with self._sessions.begin() as session:
            values = {**self._place, "status": status, "error": error}
            if not await session.scalar(_END, values):
                raise _Lost
            if status != "running" or _now() >= self._next_event:
                self._next_event = _now() + PROGRESS_SECONDS
                await add_progress(session, self._claimed.account_id, self._claimed.id)


def _now() -> float:
    return asyncio.get_running_loop().time()
