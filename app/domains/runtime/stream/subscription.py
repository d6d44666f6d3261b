"""One stream of a bot's configurations, as the process that sends it sees it."""

import asyncio
from collections.abc import Callable

from app.auth.principal import BotPrincipal
from app.domains.runtime.config.cache import Configuration


class Subscription:
    """Holds one configuration at most, the newest that was not taken: a slow reader costs no more.

    `known` is the version that the bot has already; what was read in `turn` or before was read
    before it was there, perhaps before its token was. It ends after `lifetime` seconds, when its
    token is replaced, its bot deleted, its place needed or its process stopped.
    """

    def __init__(
        self,
        bot: BotPrincipal,
        known: str | None,
        lifetime: float,
        turn: int,
        forget: Callable[["Subscription"], None],
    ) -> None:
        self.bot = bot
        self.turn = turn
        self._loop = asyncio.get_running_loop()
        # Futures, and only while somebody waits: an event of asyncio's takes 800 bytes.
        self._read: asyncio.Future[None] | None = self._loop.create_future()
        self._news: asyncio.Future[None] | None = None
        self._ends_at = self._loop.time() + lifetime
        self._offered = known
        self._pending: Configuration | None = None
        self._forget = forget
        self.closed = False
        self.revoked = False

    @property
    def ended(self) -> bool:
        return self.closed or self._loop.time() >= self._ends_at

    def offer(self, config: Configuration) -> None:
        """What is pending gives way, unless the bot has it or will get it anyway."""
        if config.version != self._offered:
            self._offered = config.version
            self._pending = config
            _wake(self._news)
        self._was_read()

    async def read(self) -> None:
        """Returns once the configuration was read for it the first time, or it has ended."""
        if self._read is not None:
            await self._read

    async def next(self, seconds: float) -> Configuration | None:
        """The newest configuration; `None` if there was none for so long, or it has ended.

        What was read before its time was up is still given.
        """
        if self._pending is None and not self.closed:
            self._news = news = self._loop.create_future()
            until = min(self._loop.time() + seconds, self._ends_at)
            alarm = self._loop.call_at(until, _wake, news)
            try:
                await news
            finally:
                alarm.cancel()
                self._news = None
        if self.closed:
            return None
        config, self._pending = self._pending, None
        return config

    def close(self, *, revoked: bool = False) -> None:
        """End it; `revoked` if its token is not valid any more."""
        if not self.closed:
            self.closed = True
            self.revoked = revoked
            _wake(self._news)
            self._was_read()
            self._forget(self)

    def _was_read(self) -> None:
        _wake(self._read)
        self._read = None


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
