"""A queue of records: sent in batches, kept until each has a verdict."""

import logging
from asyncio import Event, Lock, sleep, timeout
from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import final

from botkeys.client.connection import Connection
from botkeys.client.errors import (
    MalformedAnswer,
    Refusal,
    Refused,
    ReportsRefused,
    TooManyReports,
    is_final,
)
from botkeys.client.journal import Journal
from botkeys.client.models import Verdict, Verdicts, parse_answer, refusal
from botkeys.client.records import Item, Kind
from botkeys.client.timing import Pace, jittered, retry_through_outages

BATCH_ITEMS = 1000
BATCH_BYTES = 1024 * 1024
MAX_BYTES = 8 * 1024 * 1024
"""Memory for each kind, so that a flood of signals in an outage leaves room for trades."""
_OVERHEAD = 200
_OK = 200
_OF_THE_BODY = frozenset({400, 413, 422})
_MAX_REFUSALS = 100
_logger = logging.getLogger(__name__)


class _Waiting:
    """The items of one kind, oldest first."""

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.size = 0

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.size += _size(item)

    def batch(self) -> list[Item]:
        """Return the oldest items that share a key: records after a swap start another batch."""
        key_id, size, taken = self.items[0].key_id, 0, list[Item]()
        for item in takewhile(lambda item: item.key_id == key_id, self.items):
            size += _size(item)
            if len(taken) == BATCH_ITEMS or (taken and size > BATCH_BYTES):
                break
            taken.append(item)
        return taken

    def drop(self, count: int) -> None:
        for _ in range(count):
            self.size -= _size(self.items.popleft())


@final
class RecordQueue:
    """Items wait here until the service has stored or refused them; see `raise_refused`.

    A batch whose answer was lost is sent again: the service recognizes items by their ids.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        journal: Journal,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._connection = connection
        self._pace = pace
        self._max_bytes = max_bytes
        self._waiting = {kind: _Waiting() for kind in Kind}
        self._refused: deque[Refusal] = deque(maxlen=_MAX_REFUSALS)
        self._delivering = Lock()
        self._added = Event()
        self._batch_full = Event()
        self._journal = journal
        for kind, item in journal.records():
            self._waiting[kind].add(item)
            self._added.set()

    @property
    def count(self) -> int:
        return sum(len(waiting.items) for waiting in self._waiting.values())

    def put(self, kind: Kind, item: Item) -> None:
        """Queue an item. Raises TooManyReports or OutboxUnusable, and then leaves the queue as it
        was.
        """
        waiting = self._waiting[kind]
        if waiting.size + _size(item) > self._max_bytes:
            raise TooManyReports(len(waiting.items))
        self._journal.add_record(kind, item)
        waiting.add(item)
        self._added.set()
        if len(waiting.items) >= BATCH_ITEMS:
            self._batch_full.set()

    async def run(self) -> None:
        """Deliver until the token is refused: a batch once it is full, or after some seconds."""
        while True:
            await self._added.wait()
            try:
                async with timeout(jittered(self._pace.records)):
                    await self._batch_full.wait()
            except TimeoutError:
                pass
            await self.deliver()

    async def deliver(self) -> None:
        """Send until the queue is empty. Raises NotAuthenticated."""
        async with self._delivering:
            while kind := next((kind for kind in Kind if self._waiting[kind].items), None):
                waiting = self._waiting[kind]
                batch = waiting.batch()
                for item, verdict in zip(batch, await self._verdicts(kind, batch), strict=True):
                    if verdict.status == "refused":
                        self._note(Refusal(kind, item.id, verdict.code or "refused"))
                    elif verdict.pnl_unknown is not None:
                        _logger.warning("%s: %s has no P&L: %s", kind, item.id, verdict.pnl_unknown)
                waiting.drop(len(batch))
                self._journal.drop_records(kind, len(batch))
            self._added.clear()
            self._batch_full.clear()

    def raise_refused(self) -> None:
        """Raise ReportsRefused with the refusals since the last call, if there are any."""
        if self._refused:
            refusals = tuple(self._refused)
            self._refused.clear()
            raise ReportsRefused(refusals)

    def _note(self, refusal: Refusal) -> None:
        _logger.warning("%s: %s refused: %s", refusal.kind, refusal.id, refusal.code)
        self._refused.append(refusal)

    async def _verdicts(self, kind: Kind, batch: Sequence[Item]) -> Sequence[Verdict]:
        """Return a verdict for each item, in order; halve a refused batch to find the bad item."""
        try:
            return await retry_through_outages(
                partial(self._send, kind, batch), self._pace, final=is_final
            )
        except Refused as refused:
            if not is_final(refused):
                raise
            if len(batch) == 1 or refused.status not in _OF_THE_BODY:
                return [Verdict(status="refused", code=refused.code)] * len(batch)
        await sleep(jittered(self._pace.shortest_pause))
        half = len(batch) // 2
        return [
            *await self._verdicts(kind, batch[:half]),
            *await self._verdicts(kind, batch[half:]),
        ]

    async def _send(self, kind: Kind, batch: Sequence[Item]) -> Sequence[Verdict]:
        key_id = batch[0].key_id
        named = b"" if key_id is None else b'"key_id": "%s", ' % str(key_id).encode()
        items = b", ".join(item.text for item in batch)
        answer = await self._connection.call(
            "POST",
            f"/v1/runtime/{kind}",
            body=b'{%s"items": [%s]}' % (named, items),
            safe=True,
        )
        if answer.status != _OK:
            raise refusal(answer)
        verdicts = parse_answer(Verdicts, answer.body).results
        if len(verdicts) != len(batch):
            raise MalformedAnswer("The service did not return one verdict per item.")
        return verdicts


def _size(item: Item) -> int:
    """Return about what the item takes in memory."""
    return len(item.text) + _OVERHEAD
