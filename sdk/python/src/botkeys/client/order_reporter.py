"""The bot's count of resting orders, kept known to the service while any rests."""

import asyncio
import logging
from asyncio import Event
from collections.abc import Mapping
from typing import Any, final

from botkeys.client.connection import Connection
from botkeys.client.errors import BotClientError, is_final
from botkeys.client.models import refusal
from botkeys.client.timing import Pace, jittered, retry_through_outages

_OK = 200
_logger = logging.getLogger(__name__)


@final
class OrderReporter:
    """Reports the newest counts at once, and again while orders rest: a report lapses after 5
    minutes.

    Counts that the service refuses are logged and not sent again.
    """

    def __init__(self, connection: Connection, pace: Pace) -> None:
        self._connection = connection
        self._pace = pace
        self._counts: dict[str, int] = {}
        self._changed = Event()

    def put(self, counts: Mapping[str, int]) -> None:
        """Make these the counts by symbol; symbols left out have no orders."""
        self._counts = {symbol: count for symbol, count in counts.items() if count}
        self._changed.set()

    async def run(self) -> None:
        """Report until the token is refused."""
        while True:
            await self._until_due()
            self._changed.clear()
            reported = self._counts
            try:
                await retry_through_outages(self._send, self._pace, final=is_final)
            except BotClientError as error:
                if not is_final(error):
                    raise
                _logger.warning("resting orders were refused: %s", error)
                if self._counts is reported:  # newer ones are not what was refused
                    self._counts = {}

    async def _until_due(self) -> None:
        """Wait for new counts; while orders rest, at most for the time until the next report."""
        seconds = jittered(self._pace.orders) if self._counts else None
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _send(self) -> None:
        orders = [{"symbol": symbol, "count": count} for symbol, count in self._counts.items()]
        body: dict[str, Any] = {"orders": orders}
        answer = await self._connection.call("PUT", "/v1/runtime/orders", body=body, safe=True)
        if answer.status != _OK:
            raise refusal(answer)
