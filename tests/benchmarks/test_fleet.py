"""The simulated fleet: its bots behave like the SDK's, and what they are measured by is right."""

import pytest

from app.api.streaming import StreamLimits
from benchmarks.fleet.bots import Crowd, RunningCrowd
from benchmarks.fleet.costs import Cpu, family
from benchmarks.fleet.measuring import STREAM_BUDGET, Size, measure_fleet
from benchmarks.fleet.others import Kind, run
from benchmarks.installation import installation
from benchmarks.load import LoadRequest
from tests.support.streaming import streaming
from tests.support.world import World


@pytest.mark.parametrize("patient", [True, False])
async def test_a_crowd_follows_comes_back_after_it_was_dropped_and_sends_heartbeats(
    busy_world: World, *, patient: bool
) -> None:
    user = busy_world.user()
    bots = [await user.mint((await user.add_bot())["id"]) for _ in range(3)]
    async with streaming(busy_world, StreamLimits()) as server:
        port = server.http.base_url.port
        assert port is not None
        crowd = RunningCrowd(Crowd(port, [bot.token for bot in bots], ["127.0.1.1", "127.0.1.2"]))
        followed = await crowd.follow(patient=patient)
        assert followed["open"] == server.config_publisher.count == len(bots)
        again = await crowd.reopened(drop=True, seconds=30)
        assert (again["open"], again["refused"]) == (len(bots), {})
        assert again["seconds"] > (0.5 if patient else 0)
        beats = await crowd.beat(spread=0.05, seconds=0.5)
        assert beats["failed"] == {}
        await crowd.leave()
        await server.until_count(0)


async def test_calls_that_are_refused_are_not_taken_for_fast_ones(busy_world: World) -> None:
    user = busy_world.user()
    async with streaming(busy_world, StreamLimits()) as server:
        port = server.http.base_url.port
        assert port is not None
        good, bad = (
            Kind(name, port, 20, [LoadRequest("/v1/keys", token)])
            for name, token in (("good", user.token), ("bad", "nobody"))
        )
        seen = await run(0.3, [good, bad])
    assert (seen["good"]["calls"], seen["good"]["failed"]) == (6, 0)
    assert "bad" not in seen


def test_costs_are_counted_apart_and_a_process_without_children_is_its_family() -> None:
    cost = (Cpu(3, 1) - Cpu(1, 0) + Cpu(0, 1)) * 0.5
    assert cost == Cpu(1, 1)
    assert cost.text(1_000, "ms") == "1e+03 + 1e+03 ms"
    assert family(1)[0] == 1


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_stream_takes_little_memory_and_a_small_storm_is_over_soon() -> None:
    """Rules R102, R103."""
    size = Size(
        bots=300, accounts=20, processes=2, few=1_000, storm=300, idle=5, seconds=10, changes=5
    )
    with installation() as ready:
        rows = measure_fleet(ready, size)
    memory, *others = rows
    assert memory.name == "memory of a stream, 1,000 streams"
    assert 1 < memory.value <= STREAM_BUDGET
    storms = [row for row in others if row.name.endswith("all open again")]
    assert len(storms) == 3
    assert all(row.details["missing"] == 0 and row.within for row in storms)
    measured, computed = (row for row in others if row.name.startswith("processors for"))
    assert 0 < measured.value < computed.value
