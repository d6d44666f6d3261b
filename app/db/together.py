"""Sends a hot statement for all who ask at the same time in one round trip and one transaction.

A commit, and waking up the server and this process for it, cost several times what such a statement
does: the more ask at once, the less each of them costs.
"""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy import Integer, bindparam, type_coerce

from app.db.driver import BatchExecutor, Rows, Statement
from app.kit.batching import Batch, Batcher, fail

BATCH = 50
"""Executions in one round trip: few enough that nothing else in the process waits for long."""

NUMBER = type_coerce(bindparam("number", type_=Integer()), Integer()).label("number")
"""The last column of the statement: the number of the execution that returned the row."""

Sent: TypeAlias = Batch[dict[str, Any], Rows]


class Together:
    """One statement, whose executions each name one account and depend on no other.

    While `at_once` batches are in flight, the next one gathers. A statement that writes waits for
    no lock, since others would wait with it: what it does not find free it leaves alone.
    """

    def __init__(self, executor: BatchExecutor, statement: Statement, *, at_once: int) -> None:
        self._executor = executor
        self._statement = statement
        self._batcher = Batcher(self._send, size=BATCH, at_once=at_once)

    def fetch(self, **parameters: Any) -> Coroutine[Any, Any, Rows]:
        """Return the rows of one execution, without the number, after its commit.

        Raises as `Executor.fetch` does. Cancelling one caller does not affect the others.
        """
        return self._batcher.get(parameters)

    async def close(self) -> None:
        """Stop. What was in flight may or may not have been committed."""
        await self._batcher.close()

    async def _send(self, batch: Sent) -> None:
        waiting = [(parameters, reply) for parameters, reply in batch if not reply.done()]
        if len(waiting) < 2:
            await self._send_alone(waiting)
            return
        many = [{**parameters, "number": at} for at, (parameters, _) in enumerate(waiting)]
        try:
            rows = await self._executor.fetch_many(self._statement, many)
        except asyncpg.PostgresError:
            # Nothing is committed, and at most one of them is at fault.
            for one in waiting:
                self._batcher.start(self._send_apart(one))
            return
        found: list[list[Sequence[Any]]] = [[] for _ in waiting]
        for row in rows:
            *members, number = row
            found[number].append(members)
        for (_, reply), own in zip(waiting, found, strict=True):
            if not reply.done():
                reply.set_result(own)

    async def _send_alone(self, waiting: Sent) -> None:
        for parameters, reply in waiting:
            rows = await self._executor.fetch(self._statement, **parameters, number=0)
            if not reply.done():
                reply.set_result([tuple(row)[:-1] for row in rows])

    async def _send_apart(self, one: tuple[dict[str, Any], Any]) -> None:
        _, reply = one
        try:
            await self._send_alone([one])
        except BaseException as error:
            fail(reply, error)
            if not isinstance(error, Exception):
                raise
