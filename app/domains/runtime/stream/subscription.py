"""One stream of a bot's configurations, from the sending process's point of view."""

import asyncio
from collections.abc import Callable

from app.auth.principal import BotPrincipal
from app.domains.runtime.config.cache import Configuration


class Subscription:
    """A stream that holds at most one configuration, the newest not yet taken: a slow reader costs
    no more.

    `known` is the version that the bot already has. Whatever was read in `turn` or before was read
    before the subscription existed, perhaps before its token did. The stream ends after `lifetime`
    seconds, when its token is replaced, its bot deleted, its place needed or its process stopped.
    """

    __slots__ = (
        "_follower",
        "_forget",
        "_loop",
        "_news",
        "_offered",
        "_pending",
        "_read",
        "bot",
        "closed",
        "ends_at",
        "replaced",
        "revoked",
        "turn",
    )

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
        # Futures, and only while somebody waits: an `asyncio.Event` takes 800 bytes.
        self._read: asyncio.Future[None] | None = self._loop.create_future()
        self._news: asyncio.Future[None] | None = None
        self._follower: Callable[[], None] | None = None
        self.ends_at = self._loop.time() + lifetime
        self._offered = known
        self._pending: Configuration | None = None
        self._forget = forget
        self.closed = False
        self.revoked = False
        self.replaced = False
        """Whether newer streams of the bot ended it."""

    @property
    def ended(self) -> bool:
        return self.closed or self._loop.time() >= self.ends_at

    def lacks(self, version: str) -> bool:
        """Return whether the bot neither has this version nor will get it anyway."""
        return version != self._offered

    def offer(self, config: Configuration) -> None:
        """Replace the pending configuration."""
        self._offered = config.version
        self._pending = config
        self._notify()
        self.confirm()

    def confirm(self) -> None:
        """Note that the bot's configuration was read for this stream."""
        _wake(self._read)
        self._read = None

    async def read(self) -> None:
        """Return once the first configuration was read for this stream, or the stream has ended."""
        if self._read is not None:
            await self._read

    def follow(self, follower: Callable[[], None]) -> None:
        """Call `follower` whenever there is news, and at the end; now if there is some already."""
        self._follower = follower
        if self.closed or self._pending is not None:
            follower()

    def take(self) -> Configuration | None:
        """Return the newest configuration if it was not taken yet."""
        config, self._pending = self._pending, None
        return config

    async def next(self, seconds: float) -> Configuration | None:
        """Return the newest configuration; `None` if none came within `seconds` or the stream
        ended.

        A configuration that was read before the lifetime ended is still returned.
        """
        if self._pending is None and not self.closed:
            self._news = news = self._loop.create_future()
            until = min(self._loop.time() + seconds, self.ends_at)
            alarm = self._loop.call_at(until, _wake, news)
            try:
                await news
            finally:
                alarm.cancel()
                self._news = None
        return None if self.closed else self.take()

    def close(self, *, revoked: bool = False, replaced: bool = False) -> None:
        """End the stream; `revoked` if its token is no longer valid, `replaced` by newer ones."""
        if not self.closed:
            self.closed = True
            self.revoked, self.replaced = revoked, replaced
            self._forget(self)
            self._notify()
            self.confirm()

    def _notify(self) -> None:
        _wake(self._news)
        if self._follower is not None:
            self._follower()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
