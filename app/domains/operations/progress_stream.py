"""The progress of an operation as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID
from weakref import finalize

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from app.api.quota import ConcurrencyQuota
from app.api.streaming import RECONNECT_MILLISECONDS, UNBUFFERED, StreamLimits, send_within
from app.db.driver import Executor
from app.domains.operations.repository import FINISHED, OperationRow, read_operation
from app.domains.operations.serializers import document_etag, operation_document
from app.kit.json_codec import dumps

LOOK_SECONDS = 1.0
IN_ALL = 200
OF_ONE_ACCOUNT = 10

_TOO_MANY = (
    "This account has reached its limit of concurrent operation streams. End a stream, or poll the "
    "operation instead."
)
_BUSY = "This process has reached its limit of concurrent streams. Try again in a few seconds."


class OperationStreamQuota(ConcurrencyQuota):
    """The quota of operation streams in a process: each queries the database every second."""

    def __init__(self) -> None:
        super().__init__(IN_ALL, OF_ONE_ACCOUNT, too_many=_TOO_MANY, busy=_BUSY)


class OperationEvents(EventSourceResponse):
    """A stream that reads the row every second and sends it after each change, until it has ended.

    It takes a place of the quota and releases it at its end. Raises `RateLimited` or `Unavailable`
    if there is none.
    """

    def __init__(
        self,
        quota: ConcurrencyQuota,
        executor: Executor,
        account_id: UUID,
        row: OperationRow,
        limits: StreamLimits,
    ) -> None:
        quota.take(account_id)
        # Also released when the response is discarded unsent.
        self._give_back = finalize(self, quota.give_back, account_id)
        super().__init__(
            _events(quota.closed, executor, account_id, row, limits),
            headers=UNBUFFERED,
        )
        self._patience = limits.patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            await send_within(send, message, self._patience)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            pass  # a client that accepts nothing reconnects if it still needs the stream
        finally:
            self._give_back()


async def _events(
    closed: asyncio.Event,
    executor: Executor,
    account_id: UUID,
    first: OperationRow,
    limits: StreamLimits,
) -> AsyncIterator[bytes]:
    now = asyncio.get_running_loop().time
    until, quiet_since = now() + limits.lifetime, now()
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    row: OperationRow | None = first
    sent = None
    while row is not None:
        document = operation_document(row)
        tag = document_etag(document)
        if tag != sent:
            sent, quiet_since = tag, now()
            data = dumps(document).decode()
            yield format_sse_event(event="operation", id=tag.strip('"'), data_str=data)
        elif now() - quiet_since >= limits.keep_alive:
            quiet_since = now()
            yield KEEPALIVE_COMMENT
        left = until - now()
        if row.status in FINISHED or left <= 0 or closed.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_SECONDS, left)):
                await closed.wait()
        row = await read_operation(executor, account_id, row.id)
