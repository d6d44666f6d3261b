"""A bot's background work: heartbeats, the stream, polling, outages, the end of its token."""

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from botkeys.client import (
    BotClient,
    BotConfig,
    MalformedAnswer,
    NotAuthenticated,
    Pace,
    ServiceUnavailable,
)
from tests.sdk.client.conftest import Service
from tests.sdk.client.runtime import NO_SUCH_ROUTE, Runtime
from tests.sdk.client.skipping import now, skipping

REVOKED = (401, {"code": "unauthenticated", "detail": "Who are you?"})
DOWN = (503, {"code": "unavailable", "detail": "Later."})


async def until(client: BotClient, holds: Callable[[BotConfig], bool]) -> BotConfig:
    async for config in client.changes():
        if holds(config):
            return config
    raise AssertionError("the changes ended")


def test_heartbeats_keep_the_lease_of_thirty_seconds(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            await asyncio.sleep(600)
        times = [call.at for call in runtime.to("heartbeat")]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert 54 <= len(times) <= 68
        assert max(gaps) <= 11
        assert len(set(gaps)) > 10  # jittered

    skipping(work)


def test_one_heartbeat_by_hand_tells_the_version_of_the_configuration(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client:
            answer = await client.heartbeat()
        assert (answer.config_version, answer.may_open_positions) == (1, True)
        assert runtime.to("heartbeat")[0].body == {}

    skipping(work)


def test_a_configuration_ages_only_while_the_service_does_not_confirm_it(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client:
            assert client.config_age is None
            async with client.running():
                await until(client, lambda _: True)
                await asyncio.sleep(600)
                assert client.config_age is not None
                assert client.config_age <= 11
            left = client.config_age
            runtime.faults["heartbeat"] = DOWN
            async with client.running():
                await asyncio.sleep(20)
                assert client.config_age >= left + 20
            runtime.faults.clear()
            await asyncio.sleep(60)  # until the transport tries again
            await client.heartbeat()
            assert client.config_age == 0

    skipping(work)


def test_a_change_on_the_stream_is_the_newest_configuration(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            stream = await runtime.stream()
            before = await until(client, lambda _: True)
            at = now()
            stream.send(runtime.change(may_open_positions=False))
            after = await until(client, lambda config: config.version != before.version)
            assert now() - at < 0.01
            assert (after.version, after.may_open_positions) == (2, False)
            assert client.newest_config == after

    skipping(work)


def test_a_slow_reader_of_changes_gets_the_newest_only_and_none_twice(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        seen: list[object] = []

        async def read(client: BotClient) -> None:
            async for config in client.changes():
                seen.append(config.version)
                await asyncio.sleep(5)

        client = runtime.client(pace=Pace(heartbeat=1000))
        async with client.running():
            reading = asyncio.create_task(read(client))
            stream = await runtime.stream()
            for _ in range(8):
                event = runtime.change()
                stream.send(event + event)
                await asyncio.sleep(1)
            await asyncio.sleep(10)
        await client.aclose()
        await reading  # closing ends it
        assert seen[0] in {1, 2}
        assert seen[-1] == 9
        assert len(seen) == len(set(seen)) <= 4

    skipping(work)


@pytest.mark.parametrize("change", ["taken away", "swapped", "newer version"])
def test_the_stream_drops_the_plaintext_of_a_key_that_is_gone(
    change: str, service: Service
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            stream = await runtime.stream()
            held = await client.credentials()
            key = service.config["key"]
            new = {
                "taken away": None,
                "swapped": {**key, "id": "01938a5e-0000-7000-8000-00000000000a"},
                "newer version": {**key, "version": 4},
            }[change]
            stream.send(runtime.change(key=new))
            async with asyncio.timeout(1):
                await held.dropped()
            assert len(runtime.to("credentials")) == 1  # fetched again when requested, not before

    skipping(work)


def test_the_stream_is_opened_again_after_the_pause_it_asks_for_where_it_ended(
    service: Service,
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            first = await runtime.stream()
            first.send("retry: 4000\n" + runtime.change())
            await until(client, lambda config: config.version == 2)
            first.end()
            second = await runtime.stream(2)
            assert 3.6 <= second.at - first.at <= 4.5
            assert (first.last_event_id, second.last_event_id) == (None, "2")
            second.send("id: 7\n\n: the line breaks in the next event\nid: 8\ndata")
            second.cut()
            third = await runtime.stream(3)
            assert third.last_event_id == "7"
            assert first.closed.is_set()
            assert second.closed.is_set()

    skipping(work)


def test_a_stream_that_ends_at_once_every_time_is_no_busy_loop(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            number = 0
            while now() < 100:
                number += 1
                stream = await runtime.stream(number)
                stream.send("retry: 0\n\n")
                stream.end()
        assert number <= 100 / 0.45 + 1

    skipping(work)


@pytest.mark.parametrize(
    "fault", [NO_SUCH_ROUTE, (200, {"not": "a stream"}), DOWN], ids=["404", "no stream", "503"]
)
def test_without_a_stream_the_configuration_is_polled_and_confirmed(
    fault: tuple[int, dict[str, object]], service: Service
) -> None:
    async def work() -> None:
        runtime = Runtime(service, faults={"stream": fault})
        async with runtime.client(pace=Pace(heartbeat=10_000)) as client, client.running():
            await asyncio.sleep(600)
            runtime.change(may_open_positions=False)
            at = now()
            await until(client, lambda config: not config.may_open_positions)
            assert now() - at <= 16
            await asyncio.sleep(0.1)
            polls = runtime.to("config")
            assert 40 <= len(polls) <= 60
            assert service.statuses.count(200) <= 3  # once, once more for the heartbeat, changed
            assert polls[-1].headers["if-none-match"] == '"1"'
            del runtime.faults["stream"]
            await runtime.stream()
            assert now() - at <= 32

    skipping(work)


def test_a_change_that_the_stream_missed_is_found_by_the_next_heartbeat(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            await runtime.stream()
            await until(client, lambda config: config.version == 1)
            runtime.change()
            async with asyncio.timeout(12):
                await until(client, lambda config: config.version == 2)

    skipping(work)


def test_an_event_that_is_not_understood_is_asked_for_again(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            stream = await runtime.stream()
            stream.send("id: 5\n\n")
            stream.send("id: 6\nevent: config\ndata: {}\n\n")
            second = await runtime.stream(2)
            assert second.last_event_id == "5"
            second.send("event: news\ndata: of a later release\n\n" + runtime.change())
            assert (await until(client, lambda config: config.version == 2)).version == 2

    skipping(work)


def test_an_older_answer_does_not_take_the_place_of_what_the_stream_brought(
    service: Service,
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client:
            first = await client.config()
            feed = client._feed
            answer_config = service.answer_config

            async def overtaken(request: object) -> object:
                answer = await answer_config(request)  # type: ignore[arg-type]
                service.__dict__.pop("answer_config")
                event = runtime.change()
                feed.take(
                    BotConfig.model_validate_json(
                        next(line for line in event.splitlines() if line[:4] == "data")[5:]
                    )
                )
                return answer

            service.__dict__["answer_config"] = overtaken
            assert (await client.config()).version == 2
            assert client.newest_config is not first

    skipping(work)


def test_an_outage_is_waited_out_without_hammering_and_without_dropping_the_plaintext(
    service: Service,
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client, client.running():
            stream = await runtime.stream()
            held = await client.credentials()
            runtime.down = True
            stream.cut()
            before = len(runtime.calls)
            await asyncio.sleep(1800)
            an_hour = (len(runtime.calls) - before) * 2
            assert 3600 / 11 <= an_hour <= 3 * 3600 / 9
            runtime.down = False
            at = now()
            await runtime.stream(2)
            assert now() - at <= 11
            await asyncio.sleep(11)
            assert runtime.to("heartbeat")[-1].at > at
            assert not held.forgotten

    skipping(work)


def test_a_service_that_names_a_time_is_left_alone_for_so_long(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service, faults={"heartbeat": DOWN}, retry_after="40")
        async with runtime.client() as client, client.running():
            await asyncio.sleep(300)
        gaps = [b.at - a.at for a, b in pairwise(runtime.to("heartbeat"))]
        assert 36 <= min(gaps) <= max(gaps) <= 45

    skipping(work)


@pytest.mark.parametrize("where", ["heartbeat", "stream", "config"])
def test_a_revoked_token_ends_everything_and_is_raised(where: str, service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        reached = asyncio.Event()
        async with runtime.client() as client:
            held = await client.credentials()

            async def trade() -> None:
                async with client.running():
                    (await runtime.stream()).end()
                    if where == "config":
                        runtime.faults["stream"] = NO_SUCH_ROUTE
                    runtime.faults[where] = REVOKED
                    await asyncio.sleep(60)
                    reached.set()

            with pytest.raises(NotAuthenticated, match="unauthenticated"):
                await trade()
            assert not reached.is_set()
            assert held.forgotten
            calls = len(runtime.calls)
            await asyncio.sleep(600)
            assert len(runtime.calls) == calls
            with pytest.raises(NotAuthenticated):
                await until(client, lambda _: True)

    skipping(work)


def test_a_refusal_met_by_the_bot_itself_is_its_own_error_and_ends_the_background(
    service: Service,
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client:

            async def trade() -> None:
                async with client.running():
                    await runtime.stream()
                    runtime.faults["credentials"] = REVOKED
                    await client.credentials()

            with pytest.raises(NotAuthenticated):
                await trade()
            await asyncio.sleep(0)  # nothing of the block's end affects what follows it

    skipping(work)


def test_the_block_s_own_error_and_a_cancellation_from_outside_pass_through(
    service: Service,
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client() as client:

            async def trade(seconds: float) -> None:
                async with client.running():
                    await asyncio.sleep(seconds)
                    raise LookupError

            with pytest.raises(LookupError):
                await trade(1)
            trading = asyncio.create_task(trade(1000))
            await asyncio.sleep(5)
            trading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await trading
            assert len(asyncio.all_tasks()) == 1
            calls = len(runtime.calls)
            await asyncio.sleep(100)
            assert len(runtime.calls) == calls

    skipping(work)


def test_no_error_of_the_stream_shows_the_token_even_with_local_variables(
    service: Service, with_locals: Callable[[BaseException], str]
) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        for fault, error in (
            (REVOKED, NotAuthenticated),
            (DOWN, ServiceUnavailable),
            ((200, {"not": "a stream"}), MalformedAnswer),
        ):
            runtime.faults["stream"] = fault
            async with runtime.client() as client:
                with pytest.raises(error) as caught:
                    await client._stream._read_stream()
            shown = with_locals(caught.value)
            assert service.token.reveal()[4:20] not in shown
            assert caught.value.__context__ is None

    skipping(work)


def test_a_stream_s_configuration_is_read_like_the_route_s(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        service.config["assets"] = [{"symbol": "BTC-USDT-SWAP", "max_leverage": "100"}]
        async with runtime.client() as client:
            read = await client.config()
            assert json.loads(runtime.change().splitlines()[2][6:])["version"] == 2
            async with client.running():
                stream = await runtime.stream()
                stream.send(runtime.change())
                streamed = await until(client, lambda config: config.version == 3)
        assert streamed == read.model_copy(update={"version": 3})

    skipping(work)
