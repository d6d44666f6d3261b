"""The newest known configuration of the bot, whichever way it arrived."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import final

from botkeys.client.connection import Connection
from botkeys.client.models import BotConfig, parse_answer, refusal

_OK = 200
_NOT_MODIFIED = 304


@final
class ConfigFeed:
    """The newest configuration and its subscribers. `on_config` sees each one first."""

    def __init__(self, connection: Connection, on_config: Callable[[BotConfig], None]) -> None:
        self._connection = connection
        self._on_config = on_config
        self._etag: str | None = None
        self._taken = 0
        self._reading = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = False
        self._confirmed: float | None = None
        self.newest: BotConfig | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the service last confirmed `newest`; `None` before the first one."""
        if self._confirmed is None:
            return None
        return asyncio.get_running_loop().time() - self._confirmed

    def confirm(self) -> None:
        """Note that the service has just named `newest` as its newest."""
        self._confirmed = asyncio.get_running_loop().time()

    def take(self, config: BotConfig, etag: str | None = None) -> None:
        before, self.newest, self._etag = self.newest, config, etag
        self._taken += 1
        self.confirm()
        self._on_config(config)
        if before is None or before.version != config.version:
            self.wake()

    async def read(self) -> BotConfig:
        """Fetch the configuration now; a 304 confirms the known one."""
        async with self._reading:
            while True:
                taken, etag, known = self._taken, self._etag, self.newest
                answer = await self._connection.call(
                    "GET",
                    "/v1/runtime/config",
                    headers={} if etag is None else {"If-None-Match": etag},
                )
                if answer.status == _NOT_MODIFIED and etag is not None and known is not None:
                    config = known
                elif answer.status == _OK:
                    config, etag = parse_answer(BotConfig, answer.body), answer.headers.get("etag")
                else:
                    raise refusal(answer)
                if self._taken == taken or config == self.newest:
                    self.take(config, etag)
                    return config
                # The stream delivered another one meanwhile; only the service knows which is older.

    async def changes(self) -> AsyncIterator[BotConfig]:
        """Yield the newest configuration, then each change; a slow caller skips to the newest."""
        seen: BotConfig | None = None
        while not self._closed:
            if self._connection.refused_token is not None:
                raise self._connection.refused_token
            changed, config = self._changed, self.newest
            if config is not None and (seen is None or config.version != seen.version):
                seen = config
                yield config
            else:
                await changed.wait()

    def close(self) -> None:
        """End `changes` for all subscribers."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Wake all subscribers that wait for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
