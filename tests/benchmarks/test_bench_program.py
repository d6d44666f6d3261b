"""The benchmark as a program, short and inexact: it must measure the same work on both sides."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from benchmarks.fleet import FleetBot
from benchmarks.floor.__main__ import Floor
from benchmarks.floor.keys import ListKeys
from benchmarks.installation import installation
from benchmarks.list_keys import compare, fill, measure
from benchmarks.output import exit_status
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers, Effort
from benchmarks.runtime import compare_configs
from benchmarks.runtime import measure as measure_runtime
from benchmarks.streams import measure_stream
from tests.support.database import Server
from tests.support.world import World, served


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_floor_and_service_answer_alike_and_are_both_measured() -> None:
    with installation() as ready:
        ratio, memory = measure(ready, Effort(rounds=1, warm_up=0.05, seconds=0.2))

    assert ratio.name == "list 50 keys"
    assert ratio.value > 0
    assert ratio.details["bytes"] > 10_000
    assert 20 < memory.value < 400


class InThisProcess:
    """A server's `call` by an application, from another thread."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._loop = asyncio.get_running_loop()

    def call(self, method: str, path: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        request = self._http.request(method, path, headers=headers, json=body)
        answer = asyncio.run_coroutine_threadsafe(request, self._loop).result(60)
        return answer.raise_for_status().json()


async def test_floor_and_service_list_the_same_keys(busy_world: World, server: Server) -> None:
    user = busy_world.user()
    claims = await busy_world.context.verifier.verify(user.token)
    account_id = busy_world.context.verifier.principal(claims, None).account_id
    name = busy_world.context.database.engine.url.database
    assert name is not None
    floor: Any = Floor()
    async with (
        asyncpg.create_pool(server.url(name), min_size=1, max_size=1) as pool,
        served(floor) as bare,
    ):
        floor.handlers = {"/v1/keys": ListKeys(pool, account_id)}
        service: Any = InThisProcess(busy_world.http)
        await asyncio.to_thread(fill, service, user.token)
        await asyncio.to_thread(compare, service, InThisProcess(bare), user.token)  # type: ignore[arg-type]


def test_configurations_that_differ_are_not_compared() -> None:
    class Teller:
        def __init__(self, version: str) -> None:
            self.answer = {"version": version, "may_open_positions": True}

        def call(self, *_: object) -> dict[str, object]:
            return self.answer

    bot = FleetBot("account", "bot", "key", "token", "user")
    compare_configs(Teller("a"), Teller("a"), bot)  # type: ignore[arg-type]
    with pytest.raises(DifferentAnswers):
        compare_configs(Teller("a"), Teller("b"), bot)  # type: ignore[arg-type]


def test_different_answers_are_not_compared() -> None:
    class Liar:
        def __init__(self, count: int) -> None:
            self.count = count

        def call(self, *_: object) -> dict[str, list[int]]:
            return {"items": [0] * self.count}

    with pytest.raises(DifferentAnswers):
        compare(Liar(50), Liar(49), "token")  # type: ignore[arg-type]
    with pytest.raises(DifferentAnswers):
        compare(Liar(3), Liar(3), "token")  # type: ignore[arg-type]


KEPT, MISSED = (0.9, 0.91, 0.92, 0.93, 0.94), (0.5, 0.51, 0.52, 0.53, 0.54)
UNCLEAR_BELOW, UNCLEAR_ABOVE = (0.5, 0.55, 0.59, 0.61, 0.7), (0.5, 0.55, 0.61, 0.62, 0.7)


@pytest.mark.parametrize(
    ("rounds", "heed", "status"),
    [
        ([KEPT, UNCLEAR_ABOVE], True, 0),
        ([KEPT, UNCLEAR_BELOW], True, 2),
        ([MISSED, UNCLEAR_BELOW], True, 1),
        ([(0.5,)], True, 1),
        ([MISSED, UNCLEAR_BELOW], False, 0),
    ],
)
def test_a_missed_budget_is_the_exit_status_unless_it_is_only_reported(
    rounds: list[tuple[float, ...]], heed: bool, status: int
) -> None:
    rows = [Row.of_rounds("list", some, "of the floor", "at least", 0.6) for some in rounds]
    assert exit_status(rows, heed_budget=heed) == status


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_what_bots_ask_is_the_same_work_on_both_sides_and_changes_reach_their_streams() -> None:
    with installation() as ready:
        rows = measure_runtime(ready, Effort(rounds=1, warm_up=0.05, seconds=1), bots=60)
        stream = measure_stream(ready, bots=5, changes=3)

    assert [row.name for row in rows] == [
        "get config (304)",
        "heartbeat",
        "opening a position",
        "release of credentials",
    ]
    assert all(row.value > 0 for row in rows)
    assert stream.details["changes"] == 3
