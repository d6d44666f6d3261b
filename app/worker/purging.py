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
from app.domains.deletion.purge_repository import PurgeRepository
from app.domains.deletion.scopes import marks_of
from app.domains.operations import claims
from app.domains.operations.claims import Claimed, ClaimLost
from app.domains.operations.events import PROGRESS_SECONDS, add_progress
from app.domains.trading.kinds import KINDS, DataKind, slices
from app.worker.purge_plan import Batch, Plan, PlannedSlice
from app.worker.watch import beat

LEAST = 100
"""The smallest batch, after batches were reduced because a statement timed out."""

EVENTS_AT_ONCE = 10_000
"""How many events are looked at in one transaction."""

FEW_SLICES = 16
"""Of how many slices one statement asks whether they have a row. The text is another for each
number, and is kept prepared; the scopes of most operations have seven or thirteen.
"""

_TIMED_OUT = "57014"
_FAILED = "An internal error stopped the operation. What was deleted stays deleted and hidden."
log = structlog.get_logger("botkeys.worker")


@dataclass(frozen=True, slots=True)
class PurgeLimits:
    """The limits of purging. `batch` is in rows, and `at_once` how many connections one operation
    uses at the same time: to delete batches, and at first to plan them.

    A claim lapses `claim` seconds after the last batch. After `turn` seconds an operation yields to
    another one that waits for a worker.
    """

    batch: int = 100_000
    claim: float = 30
    turn: float = 5
    at_once: int = 2


DEFAULT_LIMITS = PurgeLimits()


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
        self._places = asyncio.Semaphore(limits.at_once)

    async def go_on(self) -> bool:
        """Continue the operation; return whether it has ended, else other workers may continue."""
        marks = marks_of(self._claimed.scope)
        plan = Plan(PlannedSlice(kind, part) for kind in KINDS for part in slices(kind, marks))
        if not await self._is_counted() and not await self._delete_while_planning(plan):
            return False
        for planned in plan.slices:
            if not planned.all_deleted and not await self._empty(planned):
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

    async def _is_counted(self) -> bool:
        """Return whether the total is known: a worker may have ended while it counted."""
        if not self._claimed.counted:
            return False
        async with self._sessions() as session:
            done, total = await claims.progress(session, self._claimed)
        return total > done

    async def _delete_while_planning(self, plan: Plan) -> bool:
        """Delete batches as they are planned; return False if another operation is due."""
        planning = asyncio.create_task(self._plan(plan))
        try:
            while plan.left and not self._timed_out:
                await self._delete_planned(plan)
                if plan.left and await self._turn_is_over():
                    return False
            await planning
        finally:
            planning.cancel()
            await asyncio.gather(planning, return_exceptions=True)
        return True

    async def _plan(self, plan: Plan) -> None:
        """Count the rows and cut them into batches.

        If that takes too long, the total is what was counted, and grows as the work proceeds.
        """
        async with self._places:
            try:
                done = await self._cut_all(plan)
            finally:
                plan.end()
            async with self._sessions.begin() as session:
                await claims.set_total(session, self._claimed, done + plan.rows)

    async def _cut_all(self, plan: Plan) -> int:
        """Add the batches of all slices; return how many rows were processed before."""
        done = 0
        try:
            async with asyncio.timeout(self._limits.claim / 2), self._sessions.begin() as session:
                done, _ = await claims.progress(session, self._claimed)
                repository = PurgeRepository(session=session, claimed=self._claimed)
                if 0 < len(plan.slices) <= FEW_SLICES:
                    left = await repository.any_left([(one.kind, one.part) for one in plan.slices])
                    for planned, is_left in zip(plan.slices, left, strict=True):
                        planned.empty = not is_left
                for planned in plan.slices:
                    if not planned.empty:
                        await self._cut(repository, plan, planned)
        except SQLAlchemyError as error:
            if sqlstate(error) != _TIMED_OUT:
                raise
        except TimeoutError:
            pass
        return done

    async def _cut(self, repository: PurgeRepository, plan: Plan, planned: PlannedSlice) -> None:
        """Add the batches of a slice, in one walk along the index."""
        kind, part, most = planned.kind, planned.part, self._limits.batch
        last: datetime | None = None
        while (cut := await repository.next_cut(kind, part, last, most)) is not None:
            plan.add(planned, cut, most)
            last = cut
        uncut = await repository.count_beyond(kind, part, last)
        if last is not None and 0 < uncut <= most:
            plan.add(planned, None, uncut)
            return
        plan.rows += uncut
        planned.empty = last is None and not uncut

    async def _empty(self, planned: PlannedSlice) -> bool:
        """Delete what no planned batch has deleted; return False if another operation is due."""
        kind, part, reached = planned.kind, planned.part, planned.reached
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

    async def _delete_planned(self, plan: Plan) -> None:
        """Delete planned batches, several at once, until none is left or the turn is over.

        Batches share nothing but the operation's row, which each changes last. One that fails ends
        the others after what they delete now.
        """
        failures: list[BaseException] = []

        async def delete_one_after_another() -> None:
            deleted = 0
            while not failures and not self._timed_out:
                async with self._places:
                    # Checked only after a batch, so that every turn makes progress.
                    over = deleted and _now() >= self._until
                    batch = None if over else await plan.take()
                    if batch is None:
                        return
                    await self._delete_batch(batch)
                deleted += 1

        async def noting_failures() -> None:
            try:
                await delete_one_after_another()
            except Exception as error:  # noqa: BLE001  # raised below, when the others have ended
                failures.append(error)

        await asyncio.gather(*(noting_failures() for _ in range(self._limits.at_once)))
        if failures:
            raise failures[0]

    async def _delete_batch(self, batch: Batch) -> None:
        planned, number, above, cut = batch
        began = _now()
        try:
            async with self._sessions.begin() as session:
                repository = PurgeRepository(session=session, claimed=self._claimed)
                rows = await repository.purge_until(planned.kind, planned.part, above, cut)
        except SQLAlchemyError as error:
            self._shrink_after(error)
            self._timed_out = True
            return
        planned.finish(number)
        self._note_batch(planned.kind, rows, began)
        await self._add_progress()

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
