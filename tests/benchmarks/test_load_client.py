"""The load client: it must count correctly, and stop at anything that is not a valid response."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.connection import NotAnswered
from benchmarks.load import UNIQUE, Load, LoadRequest, quantile, run, run_in_turn

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Serve `answer` to each request; yield the port and the request heads received."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heads


def load(port: int, token: str = "") -> Load:
    return Load(port, [LoadRequest("/v1/keys", token)], connections=3, warm_up=0.02, seconds=0.1)


async def test_every_answer_after_the_warm_up_is_counted() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with serving(answer) as (port, heads):
        measured = await run(load(port, "a-token"))

    assert 0 < measured.requests < len(heads)
    assert measured.body_bytes == 5
    assert 0 < measured.p50 <= measured.p99
    assert heads[0].startswith(b"GET /v1/keys HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer a-token\r\n" in heads[0]


async def test_an_answer_in_pieces_is_one_answer() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 4\r\n\r", b"\nab", b"cd"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(answer) as (port, _):
        measured = await run(load(port))

    assert measured.requests > 0
    assert measured.body_bytes == 4


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401 Unauthorized"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no content-length"),
    ],
)
async def test_anything_but_a_plain_200_ends_the_run(sent: bytes, reason: str) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    async with serving(answer) as (port, _):
        with pytest.raises(NotAnswered, match=reason):
            await run(load(port))


async def test_requests_go_out_in_turn_with_their_bodies_and_names_of_their_own() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')

    async with serving(answer) as (port, heads):
        requests = [
            LoadRequest("/config", "one", headers={"If-None-Match": '"a"'}),
            LoadRequest(f"/positions/{UNIQUE}", "two", "PUT"),
        ]
        sent = Load(port, requests, connections=1, warm_up=0.02, seconds=0.1, status=304)
        measured = await run(Load.from_members(json.loads(json.dumps(asdict(sent)))))

    assert measured.requests > 0
    assert measured.body_bytes == 0
    assert b'\r\nIf-None-Match: "a"\r\n' in heads[0]
    assert b"\r\nAuthorization: Bearer two\r\nContent-Length: 0\r\n" in heads[1]
    named = [head.split()[1] for head in heads[1::2]]
    assert named[0].startswith(b"/positions/")
    assert len(set(named)) == len(named)
    assert all(head.startswith(b"GET /config ") for head in heads[::2])


async def test_several_loads_alternate_and_never_overlap() -> None:
    served: list[str] = []

    def answering(name: str) -> Answer:
        async def answer(writer: asyncio.StreamWriter) -> None:
            served.append(name)
            await asyncio.sleep(0.001)
            served.append(name)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        return answer

    async with serving(answering("a")) as (one, _), serving(answering("b")) as (other, _):
        measured = await run_in_turn([load(one), load(other)], 3)

    assert [name for name, _ in groupby(served)] == ["a", "b"] * 3
    for name, of in zip("ab", measured, strict=True):
        assert 0 < of.requests < of.answered == served.count(name) / 2


async def test_a_connection_that_is_closed_ends_the_run() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(answer) as (port, _):
        with pytest.raises(NotAnswered, match="closed"):
            await run(load(port))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], part: float
) -> None:
    ordered = sorted(values)
    found = quantile(ordered, part)
    assert sum(value <= found for value in ordered) >= part * len(ordered)
    assert sum(value < found for value in ordered) < part * len(ordered)
