"""Load at given rates: a server that stalls is measured by what callers would have waited."""

import asyncio
from itertools import pairwise
from statistics import mean

import pytest

from benchmarks.connection import NotAnswered
from benchmarks.load import LoadRequest
from benchmarks.open_loop import OpenLoad, moments, run
from tests.benchmarks.test_load_client import serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def load(port: int, *rates: float, connections: int = 4, seconds: float = 0.4) -> OpenLoad:
    return OpenLoad(port, [LoadRequest("/")], list(rates), seconds, 0.02, connections)


def test_moments_are_drawn_at_the_rate_and_the_same_in_each_run() -> None:
    drawn = list(moments(1000, 5))

    assert drawn == sorted(drawn) == list(moments(1000, 5))
    assert len(drawn) == pytest.approx(5000, rel=0.05)
    gaps = [after - before for before, after in pairwise(drawn)]
    usual = mean(gaps)
    assert sum(gap > usual for gap in gaps) / len(gaps) == pytest.approx(0.37, abs=0.03)


async def test_rates_that_are_answered_in_time_keep_up() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)

    async with serving(answer) as (port, heads):
        sent = load(port, 100, 200)
        found = await run(OpenLoad.from_json(sent.to_json()))

    assert [one.requests for one in found] == [len(list(moments(rate, 0.4))) for rate in (100, 200)]
    assert sum(one.requests for one in found) <= len(heads)
    assert all(0 < one.p50 <= one.p99 for one in found)


async def test_a_stall_counts_for_each_request_that_was_due_meanwhile() -> None:
    """With one connection and a stall of 0.3 s, a client that waits would see one slow response."""
    answered = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        if answered == 10:
            await asyncio.sleep(0.3)
        writer.write(OK)

    async with serving(answer) as (port, _):
        (found,) = await run(load(port, 200, connections=1))

    assert found.p50 > 20
    assert found.p99 > 250


async def test_a_server_that_cannot_keep_up_ends_the_run_after_two_rates() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(OK)

    async with serving(answer) as (port, _):
        found = await run(load(port, 150, 200, 250, connections=1, seconds=0.2))

    assert len(found) == 2
    assert not any(one.keeps_up for one in found)
    assert found[1].p99 > 100


async def test_another_status_ends_the_run() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")

    async with serving(answer) as (port, _):
        with pytest.raises(NotAnswered, match="429"):
            await run(load(port, 100))
