"""The purge: removes the rows of deleted data in batches, each a transaction of its own.

If it is killed at any moment, another worker takes over when its claim lapses. Marks that no batch
changes define what is deleted, so repeating any part has no effect.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.failures import is_conflict, is_outage, sqlstate
from app.domains.deletion.purge_repository import Planned, PurgeRepository
from app.domains.deletion.scopes import marks_of
from app.domains.operations import claims
from app.domains.operations.claims import Claimed, ClaimLost
from app.domains.operations.events import PROGRESS_SECONDS, add_progress
from app.domains.trading.kinds import KINDS, DataKind, Slice, slices
from app.domains.trading.marks import Mark
from app.worker.watch import beat

LEAST = 100
"""The smallest batch, after batches were reduced because a statement timed out."""

EVENTS_AT_ONCE = 10_000
"""How many events are looked at in one transaction."""

_TIMED_OUT = "57014"
_FAILED = "An internal error stopped the operation. What was deleted stays deleted and hidden."
log = structlog.get_logger("botkeys.worker")


@dataclass(frozen=True, slots=True)
class PurgeLimits:
    """The limits of purging. `batch` is in rows, and `at_once` how many batches of one operation
    are deleted at the same time.

    A claim lapses `claim` seconds after the last batch. After `turn` seconds an operation yields to
    another one that waits for a worker.
    """

    batch: int = 100_000
    claim: float = 30
    turn: float = 5
    at_once: int = 2


DEFAULT_LIMITS = PurgeLimits()
_UNPLANNED = Planned(1, [])


async def purge_deleted(
    sessions: async_sessionmaker[AsyncSession], limits: PurgeLimits = DEFAULT_LIMITS
) -> int:
    """Work on operations until none is waiting; return how many were ended.

    Raises database outages: the claim lapses, and the work continues later.
    """
    ended = 0
    while True:
        async with sessions.begin() as session:
            claimed = await claims.claim_next(session, limits.claim)
        if claimed is None:
            return ended
        try:
            ended += await _Purge(sessions, claimed, limits).go_on()
        except ClaimLost:
            log.info("operation_lost", operation=str(claimed.id))
        except Exception as error:
            if is_outage(error) or is_conflict(error) or isinstance(error, OSError):
                raise
            log.exception("operation_failed", operation=str(claimed.id))
            async with sessions.begin() as session:
                await claims.fail(session, claimed, _FAILED)
                await add_progress(session, claimed.account_id, claimed.id)
            ended += 1


class _Ranges:
    """The planned batches of a slice, newest first. Each is taken once."""

    def __init__(self, plan: Planned) -> None:
        self._ends: list[datetime | None] = [*plan.cuts, *([None] if plan.ends_in_batch else [])]
        self._next = 0
        self._unfinished = set(range(len(self._ends)))

    @property
    def left(self) -> bool:
        """Whether a batch waits to be taken."""
        return self._next < len(self._ends)

    @property
    def all_deleted(self) -> bool:
        """Whether the batches were the whole slice, and are deleted."""
        return not self._unfinished and self._ends[-1:] == [None]

    @property
    def reached(self) -> datetime | None:
        """The time after which nothing is left; `None` if nothing was reached yet."""
        first = min(self._unfinished, default=len(self._ends))
        return self._ends[first - 1] if first else None

    def take(self) -> tuple[int, datetime | None, datetime | None] | None:
        """Return the number of the next batch, the time that it begins below, and its last one,
        `None` for the oldest.
        """
        if not self.left:
            return None
        number, self._next = self._next, self._next + 1
        return number, self._ends[number - 1] if number else None, self._ends[number]

    def finish(self, number: int) -> None:
        self._unfinished.remove(number)


class _Purge:
    """One worker's turn on one operation."""

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], claimed: Claimed, limits: PurgeLimits
    ) -> None:
        self._sessions = sessions
        self._claimed = claimed
        self._limits = limits
        self._most = limits.batch
        self._until = _now() + limits.turn
        self._next_event = _now() + PROGRESS_SECONDS
        self._timed_out = False

    async def go_on(self) -> bool:
        """Continue the operation; return whether it has ended, else other workers may continue."""
        marks = marks_of(self._claimed.scope)
        plans: dict[tuple[str, Slice], Planned] = {}
        if not self._claimed.counted:
            plans = await self._plan(marks)
        for kind in KINDS:
            for part in slices(kind, marks):
                plan = plans.get((kind.name, part), _UNPLANNED)
                # A slice that was empty stays empty: the marks existed before the plan.
                if plan.rows and not await self._empty(kind, part, plan):
                    return False
        await self._purge_events()
        await self._finish()
        return True

    async def _purge_events(self) -> None:
        """Delete the events that the account's marks cover; a repeat finds none."""
        after: int | None = 0
        while after is not None:
            async with self._sessions.begin() as session:
                repository = PurgeRepository(session=session, claimed=self._claimed)
                after = await repository.purge_events(after, EVENTS_AT_ONCE)
            beat()

    async def _plan(self, marks: list[Mark]) -> dict[tuple[str, Slice], Planned]:
        """Count rows and batches by kind and slice.

        Returns nothing if counting takes too long; the total then grows as the work proceeds.
        """
        plans: dict[tuple[str, Slice], Planned] = {}
        try:
            async with asyncio.timeout(self._limits.claim / 2), self._sessions.begin() as session:
                repository = PurgeRepository(session=session, claimed=self._claimed)
                for kind in KINDS:
                    for part in slices(kind, marks):
                        plans[kind.name, part] = await repository.planned(kind, part, self._most)
        except SQLAlchemyError as error:
            if sqlstate(error) != _TIMED_OUT:
                raise
            plans = {}
        except TimeoutError:
            plans = {}
        async with self._sessions.begin() as session:
            total = sum(plan.rows for plan in plans.values())
            await claims.set_total(session, self._claimed, total)
        return plans

    async def _empty(self, kind: DataKind, part: Slice, plan: Planned) -> bool:
        """Delete batches until nothing is left; return False if another operation is due."""
        planned = _Ranges(plan)
        while planned.left and not self._timed_out:
            await self._delete_planned(kind, part, planned)
            if planned.left and await self._turn_is_over():
                return False
        if planned.all_deleted:
            return True
        reached = planned.reached
        while True:
            began = _now()
            try:
                async with self._sessions.begin() as session:
                    repository = PurgeRepository(session=session, claimed=self._claimed)
                    rows, further = await repository.purge(kind, part, reached, self._most)
            except SQLAlchemyError as error:
                self._shrink_after(error)
                continue
            self._note_batch(kind, rows, began)
            if further is None:
                return True
            reached = further
            await self._add_progress()
            # Checked only after a batch, so that every turn makes progress.
            if await self._turn_is_over():
                return False

    async def _delete_planned(self, kind: DataKind, part: Slice, planned: _Ranges) -> None:
        """Delete planned batches, several at once, until none is left or the turn is over.

        Batches share nothing but the operation's row, which each changes last. One that fails ends
        the others after what they delete now.
        """
        failures: list[BaseException] = []

        async def delete_one_after_another() -> None:
            while not failures and not self._timed_out:
                found = planned.take()
                if found is None:
                    return
                number, above, cut = found
                began = _now()
                try:
                    async with self._sessions.begin() as session:
                        repository = PurgeRepository(session=session, claimed=self._claimed)
                        rows = await repository.purge_until(kind, part, above, cut)
                except SQLAlchemyError as error:
                    self._shrink_after(error)
                    self._timed_out = True
                    return
                planned.finish(number)
                self._note_batch(kind, rows, began)
                await self._add_progress()
                if _now() >= self._until:
                    return

        async def noting_failures() -> None:
            try:
                await delete_one_after_another()
            except Exception as error:  # noqa: BLE001  # raised below, when the others have ended
                failures.append(error)

        await asyncio.gather(*(noting_failures() for _ in range(self._limits.at_once)))
        if failures:
            raise failures[0]

    def _shrink_after(self, error: SQLAlchemyError) -> None:
        """Make batches smaller if one took too long; raise any other error."""
        if sqlstate(error) != _TIMED_OUT or self._most <= LEAST:
            raise error
        self._most = max(LEAST, self._most // 4)
        beat()

    def _note_batch(self, kind: DataKind, rows: int, began: float) -> None:
        beat()
        if rows:
            log.info(
                "purge_batch",
                operation=str(self._claimed.id),
                data=kind.name,
                rows=rows,
                seconds=round(_now() - began, 3),
            )

    async def _add_progress(self) -> None:
        if _now() < self._next_event:
            return
        self._next_event = _now() + PROGRESS_SECONDS
        async with self._sessions.begin() as session:
            await add_progress(session, self._claimed.account_id, self._claimed.id)

    async def _turn_is_over(self) -> bool:
        if _now() < self._until:
            return False
        self._until = _now() + self._limits.turn
        async with self._sessions.begin() as session:
            over = await claims.another_waits(session)
            if over:
                await claims.give_back(session, self._claimed)
        return over

    async def _finish(self) -> None:
        claimed = self._claimed
        async with self._sessions.begin() as session:
            repository = PurgeRepository(session=session, claimed=claimed)
            if claimed.kind == "close_account":
                await repository.forget_account()
            elif claimed.kind == "delete_key_data":
                keys = [mark.key_id for mark in marks_of(claimed.scope)]
                await repository.forget_keys([key for key in keys if key is not None])
            else:
                await repository.forget_labels()
            await claims.finish(session, claimed)
            await add_progress(session, claimed.account_id, claimed.id)
        log.info("operation_succeeded", operation=str(claimed.id), kind=claimed.kind)


def _now() -> float:
    return asyncio.get_running_loop().time()
