"""Steps one after the other: the service answers and stores what docs/rules.md requires."""

import asyncio
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.races.machine import Steps
from tests.races.scene import list_symbols
from tests.races.tour import TOUR
from tests.races.watch import AT_EACH_COMMIT, stop_time
from tests.support.database import Server
from tests.support.world import World

SHORT = settings(
    max_examples=3,
    stateful_step_count=15,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(SHORT, max_examples=60, stateful_step_count=60, derandomize=False)


SEEN = {
    "200",
    "201",
    "204",
    "401 unauthenticated",
    "404 not_found",
    "409 key_inactive",
    "409 key_assigned",
    "409 open_positions",
    "409 bot_online",
    "409 asset_already_added",
    "409 position_open",
    "422 unknown_symbol",
    "422 leverage_above_max",
    "409 frozen",
    "409 bot_paused",
    "409 no_key",
    "409 key_cannot_trade",
    "409 withdrawal_permission",
    "409 credentials_rejected",
    "409 no_trading_assets",
    "409 unknown_asset",
    "409 asset_disabled",
    "409 asset_delisted",
    "409 leverage_above_max",
    "409 key_not_assigned",
    "409 position_conflict",
}
"""Every possible answer, except those that need concurrency."""


async def walk(world: World, server: Server, how: settings) -> tuple[Counter[str], Counter[str]]:
    """Take the tour, then let hypothesis walk in a separate thread; return the answers of both."""

    class Walk(Steps):
        answers: ClassVar[Counter[str]] = Counter()

    Walk.world, Walk.loop = world, asyncio.get_running_loop()
    await list_symbols(world)
    await stop_time(world, server)
    await asyncio.to_thread(take, Walk())
    on_tour = Counter(Walk.answers)
    await asyncio.to_thread(run_state_machine_as_test, Walk, settings=how)
    return on_tour, Walk.answers - on_tour


def take(walk: Steps) -> None:
    """Take the tour, comparing all rows with the model after each step, as hypothesis does."""
    walk.begin()
    for step, drawn in TOUR:
        getattr(walk, step)(**drawn)
        walk.every_row_is_as_expected()
    walk.teardown()


@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_steps_in_any_order_do_what_the_rules_say(watched: World, server: Server) -> None:
    on_tour, by_chance = await walk(watched, server, SHORT)

    assert set(on_tour) == SEEN
    assert sum(by_chance.values()) >= 20


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.one_server(AT_EACH_COMMIT)
async def test_thousands_of_steps_in_any_order_do_what_the_rules_say(
    watched: World, server: Server
) -> None:
    on_tour, by_chance = await walk(watched, server, LONG)

    assert set(on_tour) == SEEN
    assert sum(by_chance.values()) >= 2000
