"""Delivers every change of a bot's configuration to the streams that this process holds for it.

A notification is a hint to read a bot again. One may be lost: so every few seconds the numbers of
the accounts' newest events are compared, and bots are read again where one has moved. Prices
change without either, and so all bots are read again in turn, at a pace that costs little however
many they are. Bots to read are gathered and read in few statements; a bot whose rows are unchanged
costs nothing more.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlalchemy import URL

from app.api.streaming import StreamLimits
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import BotPrincipal
from app.db import notifications
from app.db.driver import BatchExecutor
from app.domains.bots.config_rows import BotRef, ConfigReader, ConfigRow, fingerprint
from app.domains.runtime.config.cache import ConfigCache
from app.domains.runtime.stream.event_numbers import ACCOUNTS_AT_ONCE, EventNumbers
from app.domains.runtime.stream.feeder import Alarms
from app.domains.runtime.stream.hearing import Hearing
from app.domains.runtime.stream.listener import listen
from app.domains.runtime.stream.reread_queue import BOTS_AT_ONCE, RereadQueue
from app.domains.runtime.stream.subscription import Subscription
from app.errors import RateLimited, Unavailable

STREAMS_OF_A_BOT = 4
MOVED_PER_SECOND = 50
"""Bots that are read again in a second because something has happened in their accounts, at most: a
hundredth of a processor.
"""
_FIRST_READ_SECONDS = 5.0
_CLOSING_SECONDS = 0.5
_WAIT_SECONDS = 5
_LONGEST_REST = 0.02
log = structlog.get_logger("botkeys.streams")


@dataclass(slots=True)
class _Watched:
    """A bot with streams. `seen` is the fingerprint of the rows that the streams were last sent."""

    subscriptions: list[Subscription] = field(default_factory=list)
    seen: int | None = None
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """A bot's rows, and when their reading began, by the loop's clock."""

    rows: Sequence[ConfigRow]
    began: float


class ConfigPublisher:
    """The publisher of a process. Without `url`, only explicit subscriptions cause reads
    (tests).
    """

    def __init__(
        self,
        executor: BatchExecutor,
        config_cache: ConfigCache,
        limits: StreamLimits,
        url: URL | None,
    ) -> None:
        self.limits = limits
        self._reader = ConfigReader(executor)
        self._config_cache = config_cache
        self._url = url
        self._watched: dict[BotRef, _Watched] = {}
        self._count = 0
        self._of_account: Counter[UUID] = Counter()
        self._bots_of: dict[UUID, set[BotRef]] = {}
        self._turn = 0
        self._queue = RereadQueue()
        self._hearing = Hearing()
        self._numbers = EventNumbers(executor)
        self._alarms: Alarms | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def count(self) -> int:
        """Return how many streams are open."""
        return self._count

    @property
    def alarms(self) -> Alarms:
        """Return what reminds the streams of this process, made with the first of them."""
        if self._alarms is None:
            self._alarms = Alarms()
        return self._alarms

    async def subscribe(
        self, bot: BotPrincipal, known: str | None, reading: Reading | None = None
    ) -> Subscription:
        """Return a stream for a bot that has the version `known`, once its configuration was read.

        What was read with its token is sent first, unless a change may have been committed since.

        Raises `Unauthenticated` if the token was just revoked, `RateLimited` if the account has
        taken its share of the places or the bot opened newer streams meanwhile, `Unavailable` if
        all are taken or the database does not respond.
        """
        if self._closed or self._count >= self.limits.maximum:
            raise Unavailable(
                "This process has reached its limit of concurrent streams. Try again shortly."
            )
        self._start()
        name = (bot.account_id, bot.bot_id)
        self._make_room(name)
        watched = self._watched.setdefault(name, _Watched())
        self._bots_of.setdefault(bot.account_id, set()).add(name)
        # Jitter, so that streams that began together do not all reconnect together.
        lifetime = self.limits.lifetime * random.uniform(0.9, 1.1)  # noqa: S311  # nothing secret
        subscription = Subscription(bot, known, lifetime, self._turn, self._forget)
        watched.subscriptions.append(subscription)
        watched.seen = None
        self._count += 1
        self._of_account[bot.account_id] += 1
        if reading is None or self._hearing.heard(name, since=reading.began):
            self._queue.changed(name)
            await self._first_read(subscription)
        else:
            self._send(watched, [subscription], reading.rows)
        if subscription.revoked:
            raise Unauthenticated(TokenFault.REVOKED)
        if subscription.replaced:
            raise RateLimited(
                _WAIT_SECONDS,
                f"This bot opened newer streams meanwhile and has at most {STREAMS_OF_A_BOT}. Keep "
                "one open instead.",
            )
        if subscription.closed:
            raise Unavailable
        return subscription

    async def _first_read(self, subscription: Subscription) -> None:
        try:
            async with asyncio.timeout(_FIRST_READ_SECONDS):
                await subscription.read()
        except TimeoutError:
            subscription.close()
            raise Unavailable from None
        except BaseException:
            subscription.close()
            raise

    async def close(self) -> None:
        """End all streams and accept no more."""
        self._closed = True
        for watched in list(self._watched.values()):
            for subscription in list(watched.subscriptions):
                subscription.close()
        if self._alarms is not None:
            self._alarms.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSING_SECONDS)

    def _make_room(self, name: BotRef) -> None:
        """End the bot's oldest stream if it has all it may have; raise `RateLimited` if the account
        does.
        """
        watched = self._watched.get(name)
        while watched is not None and len(watched.subscriptions) >= STREAMS_OF_A_BOT:
            watched.subscriptions[0].close(replaced=True)
        if self._of_account[name[0]] >= self.limits.of_account:
            raise RateLimited(
                _WAIT_SECONDS,
                "This account has reached its limit of concurrent streams. Poll the configuration "
                "instead, or end a stream.",
            )

    def _start(self) -> None:
        if self._tasks:
            return
        self._tasks.append(asyncio.create_task(self._keep_reading()))
        if self._url is not None:
            listening = listen(self._url, self._receive, self._reread)
            self._tasks.append(asyncio.create_task(listening))
            self._tasks.append(asyncio.create_task(self._reread_in_turn()))
            self._tasks.append(asyncio.create_task(self._look_for_events()))

    def _forget(self, subscription: Subscription) -> None:
        name = (subscription.bot.account_id, subscription.bot.bot_id)
        watched = self._watched[name]
        watched.subscriptions.remove(subscription)
        self._count -= 1
        self._of_account[name[0]] -= 1
        if not self._of_account[name[0]]:
            del self._of_account[name[0]]
        if not watched.subscriptions:
            del self._watched[name]
            bots = self._bots_of[name[0]]
            bots.discard(name)
            if not bots:
                del self._bots_of[name[0]]

    def _receive(self, payload: str) -> None:
        with suppress(ValueError):  # anyone with a login can send a notification
            account_id, bot_id = notifications.read(payload)
            self._hearing.note(account_id, bot_id, self.alarms.now)
            if bot_id is None:
                for name in self._bots_of.get(account_id, ()):
                    self._queue.changed(name)
            elif (account_id, bot_id) in self._watched:
                self._queue.changed((account_id, bot_id))

    def _reread(self) -> None:
        self._hearing.missed(self.alarms.now)
        self._queue.due(self._watched)

    async def _reread_in_turn(self) -> None:
        """Reread all bots in each round, a few at a time, so that a change in between
        hardly waits. A round with very many bots takes longer.
        """
        while True:
            names = list(self._watched)
            steps = range(0, max(1, len(names)), BOTS_AT_ONCE)
            round_seconds = max(self.limits.reread, len(names) / self.limits.rereads)
            for start in steps:
                await asyncio.sleep(round_seconds / len(steps))
                self._queue.due(names[start : start + BOTS_AT_ONCE])

    async def _look_for_events(self) -> None:
        """Reread bots in whose accounts something has happened, those of small accounts first.

        Those that are too many are left to their turn.
        """
        while True:
            accounts = list(self._bots_of)
            steps = range(0, max(1, len(accounts)), ACCOUNTS_AT_ONCE)
            pause = self.limits.reread / len(steps)
            left = max(1, MOVED_PER_SECOND * self.limits.reread)
            for start in steps:
                await asyncio.sleep(pause)
                try:
                    moved = await self._numbers.moved(accounts[start : start + ACCOUNTS_AT_ONCE])
                except Exception as error:  # noqa: BLE001  # no failure may end all streams
                    log.warning("events_not_looked_for", exception=type(error).__name__)
                    continue
                groups = [self._bots_of[account] for account in moved if account in self._bots_of]
                for bots in sorted(groups, key=len):
                    left -= len(bots)
                    if left < 0:
                        break
                    self._queue.due(bots)
            self._numbers.keep(self._bots_of)

    async def _keep_reading(self) -> None:
        while True:
            await self._queue.wait()
            while True:
                urgent = self._queue.urgent
                names = self._queue.take(self._rows_of)
                if not names:
                    break
                self._turn += 1
                began = self.alarms.now
                try:
                    found = await self._reader.read(names)
                except Exception as error:  # noqa: BLE001  # no failure may end all streams
                    log.warning("configurations_not_reread", exception=type(error).__name__)
                    self._queue.due(names)
                    await asyncio.sleep(self.limits.retry)
                    continue
                for name in names:
                    self._publish(name, found.get(name, ()))
                if not urgent:
                    # All bots are due when the listener's connection was lost: others go first.
                    await asyncio.sleep(min(self.alarms.now - began, _LONGEST_REST))

    def _rows_of(self, name: BotRef) -> int:
        """Return how many rows the bot had; 0 if it has no stream any more."""
        watched = self._watched.get(name)
        return 0 if watched is None else watched.rows

    def _publish(self, name: BotRef, rows: Sequence[ConfigRow]) -> None:
        watched = self._watched.get(name)
        if watched is None:
            return
        current = [known for known in watched.subscriptions if known.turn < self._turn]
        for subscription in list(current):
            if not rows or rows[0].token_hash != subscription.bot.token_hash:
                current.remove(subscription)
                subscription.close(revoked=True)
        if current and watched.seen != fingerprint(rows):
            self._send(watched, current, rows)

    def _send(
        self, watched: _Watched, current: Sequence[Subscription], rows: Sequence[ConfigRow]
    ) -> None:
        """Offer what was read to those of a bot's streams for which it was read."""
        try:
            version = self._config_cache.summary(rows).version
            lacking = [known for known in current if known.lacks(version)]
            config = self._config_cache.of(rows) if lacking else None
        except Exception as error:  # noqa: BLE001  # a failure of one bot must not affect others
            log.error("stream_failed", exception=type(error).__name__)  # noqa: TRY400  # as above
            for subscription in current:
                subscription.close()
            return
        # Subscribers that joined during this read get the next snapshot even if nothing changed.
        watched.seen = fingerprint(rows) if current == watched.subscriptions else None
        watched.rows = len(rows)
        for subscription in current:
            if config is not None and subscription.lacks(version):
                subscription.offer(config)
            else:
                subscription.confirm()
