"""Heartbeats: that the bot is alive, and what its exchange answers about the credentials."""

import asyncio
from typing import Any, final

from botkeys.client.config_feed import ConfigFeed
from botkeys.client.connection import Connection
from botkeys.client.errors import BotClientError, NotAuthenticated
from botkeys.client.health import CredentialHealth
from botkeys.client.models import Heartbeat, parse_answer, refusal
from botkeys.client.timing import Pace, jittered, retry_through_outages

_OK = 200
_NOT_TAKEN = frozenset({400, 409, 422})


_LONGEST_PAUSE = 60.0
"""The longest interval that a service asks for."""


def pause_after(answer: Heartbeat, pace: Pace) -> float:
    """Return the seconds to the next heartbeat: what the service asks for, or the longer pace."""
    return max(pace.heartbeat, min(answer.next_in, _LONGEST_PAUSE))


@final
class HeartbeatSender:
    """Sends heartbeats. `report` goes with each of them until the service has taken it."""

    def __init__(self, connection: Connection, feed: ConfigFeed, pace: Pace) -> None:
        self._connection = connection
        self._feed = feed
        self._pace = pace
        self.report: CredentialHealth | None = None

    async def run(self) -> None:
        """Send heartbeats until the token is refused."""
        while True:
            answer = await retry_through_outages(self.send, self._pace)
            newest = self._feed.newest
            if newest is None or newest.version != answer.config_version:
                await self._read_configuration()
            await asyncio.sleep(jittered(pause_after(answer, self._pace)))

    async def send(self) -> Heartbeat:
        report = self.report
        body: dict[str, Any] = {} if report is None else {"credentials": report.as_json()}
        answer = await self._connection.call("POST", "/v1/runtime/heartbeat", body=body, safe=True)
        if answer.status != _OK:
            refused = refusal(answer)
            if refused.status in _NOT_TAKEN:
                self._clear(report)  # the next heartbeat must not fail for it again
            raise refused
        self._clear(report)
        heartbeat = parse_answer(Heartbeat, answer.body)
        newest = self._feed.newest
        if newest is not None and newest.version == heartbeat.config_version:
            self._feed.confirm()
        return heartbeat

    def _clear(self, report: CredentialHealth | None) -> None:
        if self.report is report:
            self.report = None

    async def _read_configuration(self) -> None:
        try:
            await self._feed.read()
        except NotAuthenticated:
            raise
        except BotClientError:
            pass  # the next heartbeat shows the difference again
