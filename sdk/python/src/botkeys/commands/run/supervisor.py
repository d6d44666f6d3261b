"""The life of one run: acquire, start, stay beside the program, end as it ended."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, final

from botkeys.client import (
    BotClient,
    BotClientError,
    BotConfig,
    Forgotten,
    HttpTransport,
    NotAuthenticated,
)
from botkeys.client.timing import jittered
from botkeys.commands.endings import CommandError
from botkeys.commands.run.acquiring import Acquired, acquire, explain
from botkeys.commands.run.child import Child
from botkeys.commands.run.chosen import ChosenFile, ChosenVariable, deliver_chosen
from botkeys.commands.run.delivery import Delivery, Prepared, Preset, prepare
from botkeys.commands.run.expectations import Expectations
from botkeys.commands.run.following import changes_between
from botkeys.commands.run.given import Given
from botkeys.commands.run.memory_files import CredentialFiles
from botkeys.commands.run.refusals import Away
from botkeys.commands.run.signals import IGNORED_BY_DEFAULT, STOPPING, Arrived, start_waiting, stop

_SIGNAL_BASE = 128
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class OnChange(StrEnum):
    """What happens when the program's key changes or it may open no positions any more."""

    TELL = "tell"
    TERM = "term"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for. `wait` is the pause in seconds between looks while none runs."""

    command: Sequence[str]
    presets: Sequence[Preset]
    chosen_variables: Sequence[ChosenVariable]
    chosen_files: Sequence[ChosenFile]
    expectations: Expectations
    on_change: OnChange
    disk: bool
    sign: bool = False
    max_order_value: Decimal | None = None
    wait: float = 5.0


StandIn = Callable[[Given], AbstractAsyncContextManager[Given]]
"""What a program gets in place of the real credentials, for as long as it runs."""


@asynccontextmanager
async def as_it_is(given: Given) -> AsyncIterator[Given]:
    """Hand over the real credentials."""
    yield given


class _Interrupted(Exception):
    """A signal that ends this process, while no program runs."""


@final
class Supervisor:
    """One run. `tell` shows a sentence to people; `mask` is the program's signal mask.

    With a `stand_in` the program gets what that makes of the credentials, such as placeholders and
    the address of a proxy: for presets with `takes_address`.
    """

    def __init__(
        self,
        bot: BotClient,
        http: HttpTransport,
        wanted: Wanted,
        variables: Mapping[str, str],
        mask: AbstractSet[int],
        tell: Callable[[str], None],
        stand_in: StandIn = as_it_is,
    ) -> None:
        self._bot = bot
        self._http = http
        self._wanted = wanted
        self._variables = variables
        self._mask = mask
        self._tell = tell
        self._stand_in = stand_in
        self._child: Child | None = None
        self._ending: Child | None = None
        self._ended_by_user: Child | None = None
        self._next: Acquired | None = None
        self._restarting = False
        self._interrupted = asyncio.Event()
        self._interruption = 0

    async def run(self, signals: frozenset[int]) -> int:
        """Return how the program ended. Raises CommandError if none was started."""
        loop = asyncio.get_running_loop()

        def arrived(signal_: Arrived) -> None:
            with suppress(RuntimeError):  # the loop is closed: this process is ending
                loop.call_soon_threadsafe(self._take, signal_)

        start_waiting(signals | {signal.SIGCHLD}, arrived)
        try:
            acquired = await self._unless_interrupted(self._acquire())
            while True:
                status = await self._run_once(acquired)
                if not self._restarting:
                    return status
                acquired = await self._unless_interrupted(self._acquire_again())
        except _Interrupted:
            return _SIGNAL_BASE + self._interruption

    async def _acquire(self) -> Acquired:
        return await acquire(self._bot, self._http, self._wanted.expectations)

    async def _acquire_again(self) -> Acquired:
        """Wait until the bot may open positions with its key, through outages."""
        acquired, self._next = self._next, None
        if acquired is None:
            self._tell("Waiting until the bot may open positions, to start the program again.")
        while acquired is None or acquired.outdated or not acquired.config.may_open_positions:
            acquired = None
            try:
                if (await self._bot.config()).may_open_positions:
                    acquired = await self._acquire_through_outages()
                    continue
            except NotAuthenticated as error:
                raise explain(error) from error
            except BotClientError:
                pass  # an outage: the service is asked again
            await asyncio.sleep(jittered(self._wanted.wait))
        return acquired

    async def _acquire_through_outages(self) -> Acquired:
        while True:
            try:
                return await self._acquire()
            except Away as away:
                self._tell(f"{away} Trying again.")
            await asyncio.sleep(jittered(self._wanted.wait))

    async def _run_once(self, acquired: Acquired) -> int:
        """Start the program and stay beside it until it has ended."""
        self._restarting = False
        with CredentialFiles(disk=self._wanted.disk, variables=self._variables) as files:
            try:
                real = acquired.given()
            except Forgotten as error:
                raise explain(error) from error
            async with self._stand_in(real) as given:
                deliveries = self._deliveries(given)
                prepared = prepare(self._wanted.command, deliveries, files, self._variables)
                if self._interrupted.is_set():  # while the stand-in was made
                    raise _Interrupted
                self._child = child = Child(prepared, self._mask)
                what = "the key" if given is real else "placeholders for the key"
                self._say_what_was_given(what, given, deliveries, prepared, child)
                return await self._stay_beside(child, acquired.config)

    async def _stay_beside(self, child: Child, config: BotConfig) -> int:
        followers = [
            asyncio.create_task(self._stay_connected()),
            asyncio.create_task(self._follow(child, config)),
        ]
        try:
            return await child.status
        finally:
            self._child = None
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)

    def _deliveries(self, given: Given) -> list[Delivery]:
        wanted = self._wanted
        deliveries = [preset.deliver(given, wanted.command) for preset in wanted.presets]
        if wanted.chosen_variables or wanted.chosen_files:
            deliveries.append(deliver_chosen(given, wanted.chosen_variables, wanted.chosen_files))
        return deliveries

    def _say_what_was_given(
        self,
        what: str,
        given: Given,
        deliveries: Sequence[Delivery],
        prepared: Prepared,
        child: Child,
    ) -> None:
        ways = ", ".join(delivery.ways for delivery in deliveries) or "nothing"
        name = Path(prepared.command[0]).name
        self._tell(
            f'{name} (process {child.pid}) got {what} "{given.label}" ({given.exchange} '
            f"{given.environment}, version {given.version}): {ways}."
        )

    async def _stay_connected(self) -> None:
        """Send heartbeats, follow the configuration and check the credentials."""
        try:
            await self._bot.run()
        except BotClientError as error:
            if self._wanted.on_change is OnChange.TELL or self._child is None:
                self._tell(f"{error} The program goes on without being seen or warned.")
            else:
                self._tell(str(error))
                self._end(self._child)

    async def _follow(self, child: Child, before: BotConfig) -> None:
        with suppress(BotClientError):  # `_stay_connected` shows it
            async for config in self._bot.changes():
                changes = changes_between(before, config)
                for change in changes:
                    self._tell(change.sentence)
                if any(change.ends for change in changes):
                    await self._heed(child, config)
                before = config

    async def _heed(self, child: Child, config: BotConfig) -> None:
        """Do as `on_change` says, once: a program takes a second SIGTERM as an order to hurry."""
        if self._ending is child:
            return
        if self._wanted.on_change is OnChange.TERM:
            self._end(child)
        elif self._wanted.on_change is OnChange.RESTART:
            await self._restart(child, config)

    async def _restart(self, child: Child, config: BotConfig) -> None:
        """End the program; first fetch what it is started with again, if that is to be had."""
        if config.may_open_positions:
            try:
                self._next = await self._acquire_through_outages()
            except CommandError as error:
                self._tell(str(error))
        if self._ended_by_user is not child and self._ending is not child:
            self._restarting = True
            self._end(child)

    def _end(self, child: Child) -> None:
        if self._ending is child:
            return
        self._ending = child
        self._tell("Sending SIGTERM to the program.")
        child.send(signal.SIGTERM)

    async def _unless_interrupted(self, acquiring: Coroutine[Any, Any, Acquired]) -> Acquired:
        task = asyncio.ensure_future(acquiring)
        interrupted = asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            if self._interrupted.is_set():
                raise _Interrupted
            return await task
        finally:
            for each in (task, interrupted):
                each.cancel()
            await asyncio.gather(task, interrupted, return_exceptions=True)

    def _take(self, arrived: Arrived) -> None:
        """Handle a signal: of the program's end, or one to pass on."""
        if arrived.number == signal.SIGCHLD:
            if self._child is not None:
                self._child.look()
        elif self._child is not None:
            if arrived.number in _ENDING:  # who ends the program does not want it started again
                self._restarting, self._ended_by_user = False, self._child
            self._child.pass_on(arrived)
        elif arrived.number in STOPPING:
            stop(arrived.number)
        elif arrived.number not in IGNORED_BY_DEFAULT and not self._interrupted.is_set():
            self._interruption = arrived.number
            self._interrupted.set()
