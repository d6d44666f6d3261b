"""Renews the claim of a running request, so that only the claim of a dead one lapses."""

import asyncio

from sqlalchemy import DateTime, Text, Uuid, bindparam, select, update

from app.db.clock import NOW
from app.db.driver import Executor, Statement
from app.db.failures import is_outage
from app.db.models import IdempotencyRecord
from app.pipeline.idempotency import CLAIM, Claim

RENEWAL = CLAIM.total_seconds() / 3
"""Seconds between renewals. Most requests end before the first one."""

# A locked row is being changed by the request itself, which stores its answer.
_HELD = (
    select(IdempotencyRecord.account_id, IdempotencyRecord.idempotency_key)
    .where(
        IdempotencyRecord.account_id == bindparam("account", type_=Uuid()),
        IdempotencyRecord.idempotency_key == bindparam("key", type_=Text()),
        IdempotencyRecord.created_at == bindparam("since", type_=DateTime(timezone=True)),
        IdempotencyRecord.status.is_(None),
    )
    .with_for_update(skip_locked=True)
    .cte("held")
)
_RENEW = Statement(
    update(IdempotencyRecord)
    .where(
        IdempotencyRecord.account_id == _HELD.c.account_id,
        IdempotencyRecord.idempotency_key == _HELD.c.idempotency_key,
    )
    .values(claimed_until=NOW + CLAIM)
)


class ClaimLease:
    """The renewals of one claim, from its creation to `end`."""

    def __init__(self, executor: Executor, claim: Claim) -> None:
        self._executor = executor
        self._claim = claim
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._schedule()

    def end(self) -> None:
        """Stop. A renewal in flight may still arrive, and then finds no claim."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(RENEWAL, self._start)

    def _start(self) -> None:
        self._renewing = self._loop.create_task(self._renew())
        self._schedule()

    async def _renew(self) -> None:
        claim = self._claim
        try:
            await self._executor.fetch(
                _RENEW, account=claim.account_id, key=claim.key, since=claim.since
            )
        except Exception as error:
            # The next renewal may come in time; and an overtaken request cannot commit.
            if not is_outage(error):
                raise
