"""A long listing is read beside the event loop, which goes on meanwhile."""

import asyncio
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from botkeys.environment import Environment
from botkeys.exchanges.aside import LONG_BYTES, Aside, is_long
from botkeys.exchanges.model import ContractType
from botkeys.exchanges.registry import Exchanges
from tests.sdk.exchanges.conftest import FakeExchange, Reply

PATH = "/fapi/v1/exchangeInfo"
ROWS = 3000


def test_only_long_lists_are_worth_a_thread() -> None:
    rows: list[object] = [{}] * 500
    assert is_long(rows)
    assert is_long({"data": rows})
    assert is_long({"data": {"rows": rows}})
    assert not is_long({"data": rows[1:], "rows": {"a": rows[1:]}})
    assert not is_long("x" * 1000)


async def test_a_long_listing_is_read_while_the_loop_goes_on(
    fake: FakeExchange, remembered: Exchanges, sample: Callable[[str], dict[str, Any]]
) -> None:
    listing = deepcopy(sample("binance")["routes"][PATH])
    first = listing["symbols"][0]
    listing["symbols"] = [{**first, "symbol": f"S{number}USDT"} for number in range(ROWS)]
    fake.routes[PATH] = Reply.of(listing)
    assert len(fake.routes[PATH].body) > 5 * LONG_BYTES
    adapter = remembered.adapter("binance")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    running = asyncio.create_task(others())
    begun = time.perf_counter()
    found = await adapter.instruments(Environment.LIVE, None, ContractType.LINEAR)
    seconds = time.perf_counter() - begun
    running.cancel()

    assert len(found) == ROWS
    # On the loop itself there would be a handful; with pauses of the parser there are thousands.
    assert turns > 50, (turns, seconds)


async def test_a_failure_beside_the_loop_reaches_the_caller() -> None:
    def fails() -> None:
        raise ValueError("no listing")

    with pytest.raises(ValueError, match="no listing"):
        await Aside().call(fails)
