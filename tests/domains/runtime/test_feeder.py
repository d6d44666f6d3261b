"""A stream after its connection was handed over: what is written, and what ends it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
import pytest_asyncio

from app.api.streaming import Line, StreamLimits, Taker
from app.auth.principal import BotPrincipal
from app.domains.runtime.config.cache import Configuration
from app.domains.runtime.stream.feeder import RUNG_AT_ONCE, Alarms, Feeder
from app.domains.runtime.stream.messages import config_event
from app.domains.runtime.stream.subscription import Subscription

PING = b": ping\n\n"
BOT = BotPrincipal(UUID(int=1), UUID(int=2), b"")


class Client:
    """A connection whose client reads or does not."""

    body_is_here = True

    def __init__(self) -> None:
        self.paused = False
        self.written: list[bytes] = []
        self.ended = self.was_cut = False
        self.taker: Taker | None = None

    def hand_over(self, taker: Taker) -> Line:
        self.taker = taker
        return self

    def write(self, part: bytes) -> None:
        assert not self.ended
        assert not self.was_cut
        self.written.append(part)

    def end(self) -> None:
        self.ended = True

    def cut(self) -> None:
        self.was_cut = True


def config(version: str) -> Configuration:
    return Configuration(version, may_open_positions=True, document=b"{}")


@pytest_asyncio.fixture
async def alarms() -> AsyncIterator[Alarms]:
    made = Alarms()
    yield made
    made.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in time")


class Opened:
    """A stream with its client. `forgotten` counts how often its place was given back."""

    def __init__(self, alarms: Alarms, limits: StreamLimits, lifetime: float = 60) -> None:
        self.forgotten = 0
        self.client = Client()
        self.subscription = Subscription(BOT, None, lifetime, 0, self._forget)
        self.feeder = Feeder(self.subscription, limits, alarms)

    def _forget(self, _: Subscription) -> None:
        self.forgotten += 1

    def start(self) -> None:
        self.feeder.start(self.client)


async def test_what_came_before_and_after_the_handing_over_is_sent_once(alarms: Alarms) -> None:
    opened = Opened(alarms, StreamLimits())
    opened.subscription.offer(config("first"))
    opened.start()
    assert opened.client.written == [config_event(config("first"))]
    opened.subscription.offer(config("second"))
    assert opened.client.written[1:] == [config_event(config("second"))]
    opened.subscription.close()
    assert (opened.client.ended, opened.forgotten) == (True, 1)


async def test_a_stream_that_ended_while_it_was_handed_over_ends_at_once(alarms: Alarms) -> None:
    opened = Opened(alarms, StreamLimits())
    opened.subscription.close(revoked=True)
    opened.start()
    assert (opened.client.ended, opened.client.written) == (True, [])


async def test_a_client_that_accepts_nothing_gets_the_newest_once_it_reads_again(
    alarms: Alarms,
) -> None:
    opened = Opened(alarms, StreamLimits(keep_alive=0.01))
    opened.start()
    opened.client.paused = True
    for version in ("one", "two", "three"):
        opened.subscription.offer(config(version))
    await asyncio.sleep(0.05)
    assert opened.client.written == []
    opened.client.paused = False
    assert opened.client.taker is not None
    opened.client.taker.feed()
    assert opened.client.written == [config_event(config("three"))]
    await asyncio.sleep(0.05)
    assert opened.client.written[1] == PING


@pytest.mark.parametrize("news", [True, False])
async def test_a_client_that_accepts_nothing_for_too_long_is_cut_off(
    alarms: Alarms, *, news: bool
) -> None:
    opened = Opened(alarms, StreamLimits(keep_alive=0.02, patience=0.02))
    opened.start()
    opened.client.paused = True
    if news:
        opened.subscription.offer(config("one"))
    await until(lambda: opened.client.was_cut)
    assert opened.forgotten == 1
    opened.client.paused = False
    opened.subscription.offer(config("two"))
    assert opened.client.written == []


async def test_a_client_that_leaves_gives_its_place_back_and_is_sent_nothing(
    alarms: Alarms,
) -> None:
    opened = Opened(alarms, StreamLimits(keep_alive=0.01))
    opened.start()
    assert opened.client.taker is not None
    opened.client.taker.gone()
    opened.subscription.offer(config("one"))
    await asyncio.sleep(0.05)
    assert (opened.client.written, opened.client.ended, opened.forgotten) == ([], False, 1)


async def test_many_streams_are_reminded_by_one_timer_and_none_is_left_out(alarms: Alarms) -> None:
    limits = StreamLimits(keep_alive=0.01)
    many = [Opened(alarms, limits, lifetime=0.3) for _ in range(3 * RUNG_AT_ONCE)]
    for opened in many:
        opened.start()
    await until(lambda: all(opened.client.ended for opened in many))
    assert all(set(opened.client.written) == {PING} for opened in many)
    assert all(opened.forgotten == 1 for opened in many)


async def test_news_after_the_lifetime_are_sent_and_the_place_is_given_back(
    alarms: Alarms,
) -> None:
    opened = Opened(alarms, StreamLimits(), lifetime=0.02)
    opened.start()
    time.sleep(0.03)  # noqa: ASYNC251  # the alarm cannot ring meanwhile
    opened.subscription.offer(config("late"))
    assert opened.client.written == [config_event(config("late"))]
    await until(lambda: opened.client.ended)
    assert opened.forgotten == 1
