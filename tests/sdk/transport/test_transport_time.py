"""The transport's waiting, on a clock that skips: nothing depends on the machine's speed."""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest

from botkeys.transport import client as transport
from botkeys.transport.client import CircuitRule, HttpTransport, Rate, TransportLimits
from tests.sdk.client.skipping import now, skipping

URL = "http://host.test"
SLOW_DOWN = httpx.codes.TOO_MANY_REQUESTS
TOUCHY = CircuitRule(failures=3, window=60, pause=10)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Host(httpx.AsyncBaseTransport):
    """Returns the next prepared response, then repeats the last one; `None` is silence."""

    def __init__(self, *replies: Reply | None) -> None:
        self.replies = list(replies)
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        self.asked += 1
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is None:
            await asyncio.sleep(1e6)
            raise AssertionError("nobody ended it")
        return httpx.Response(reply.status, headers=reply.headers, stream=httpx.ByteStream(b"{}"))

    def client(self, limits: TransportLimits | None = None) -> HttpTransport:
        return HttpTransport(limits, transport=self)


def test_retry_after_is_waited_for_when_it_fits() -> None:
    host = Host(Reply(SLOW_DOWN, {"Retry-After": "1"}), Reply())

    async def work() -> None:
        async with host.client() as client:
            assert (await client.request("GET", URL)).status == 200
        assert 1 <= now() < 1.5

    skipping(work)


def test_retry_after_beyond_the_deadline_is_answered_at_once() -> None:
    host = Host(Reply(SLOW_DOWN, {"Retry-After": "60"}), Reply())

    async def work() -> None:
        async with host.client() as client:
            answer = await client.request("GET", URL, deadline=transport.Deadline(2))
        assert answer.status == SLOW_DOWN
        assert transport.retry_after(answer.headers) == 60
        assert now() == 0

    skipping(work)


def test_silence_ends_with_the_deadline_however_many_tries_are_left() -> None:
    async def work() -> None:
        async with Host(None).client() as client:
            with pytest.raises(transport.TimedOut):
                await client.request("GET", URL, deadline=transport.Deadline(0.2))
        assert now() == pytest.approx(0.2)

    skipping(work)


def test_time_that_ends_in_a_pause_gives_the_last_answer() -> None:
    host = Host(Reply(503))
    limits = TransportLimits(first_pause=60, longest_pause=60)

    async def work() -> None:
        async with host.client(limits) as client:
            answer = await client.request("GET", URL, timeout=1)
        assert (answer.status, host.asked) == (503, 1)
        assert now() == pytest.approx(1)

    skipping(work)


def test_a_hosts_rate_is_kept() -> None:
    async def work() -> None:
        async with Host(Reply()).client() as client:
            client.set_rate(URL, Rate(2, 10))
            for _ in range(4):
                await client.request("GET", URL)
        assert now() == pytest.approx(10)

    skipping(work)


def test_time_in_line_is_no_outage_and_a_patient_deadline_does_not_count_it() -> None:
    host = Host(Reply())

    async def work() -> None:
        async with host.client(TransportLimits(circuit=TOUCHY)) as client:
            client.set_rate(URL, Rate(1, 10))
            await client.request("GET", URL)
            with pytest.raises(transport.Crowded) as caught:
                await client.request("GET", URL, deadline=transport.Deadline(4))
            assert (now(), host.asked, caught.value.retryable) == (4, 1, False)
            patient = transport.Deadline(4, patience=7)
            await client.request("GET", URL, deadline=patient)
            assert (now(), host.asked, patient.left()) == (10, 2, 4)
            # One second of its patience is left.
            with pytest.raises(transport.Crowded):
                await client.request("GET", URL, deadline=patient)
            assert now() == pytest.approx(15)

    skipping(work)


def test_who_waits_for_a_slot_has_asked_nobody() -> None:
    async def work() -> None:
        async with Host(None).client(TransportLimits(concurrency_per_host=1)) as client:
            answers = await asyncio.gather(
                *(client.request("GET", URL, timeout=1) for _ in range(2)), return_exceptions=True
            )
        assert [type(answer) for answer in answers[1:]] == [transport.Crowded]
        assert isinstance(answers[0], transport.TimedOut)

    skipping(work)


def test_a_host_that_is_down_is_left_alone_for_a_while_and_then_tried_again() -> None:
    down = Reply(500)
    host = Host(down, down, down, Reply())

    async def work() -> None:
        async with host.client(TransportLimits(attempts=1, circuit=TOUCHY)) as client:
            for _ in range(TOUCHY.failures):
                assert (await client.request("GET", URL)).status == 500
            for seconds in (0, TOUCHY.pause - 0.1):
                await asyncio.sleep(seconds)
                with pytest.raises(transport.CircuitOpen) as caught:
                    await client.request("GET", URL)
                assert not caught.value.retryable
            assert now() == pytest.approx(TOUCHY.pause - 0.1)
            assert host.asked == TOUCHY.failures
            await asyncio.sleep(0.1)
            for asked in (4, 5):
                assert (await client.request("GET", URL)).status == 200
                assert host.asked == asked

    skipping(work)


def test_a_host_that_lets_a_callers_time_run_out_has_failed() -> None:
    limits = TransportLimits(connect_timeout=0.1, circuit=TOUCHY)

    async def work() -> None:
        async with Host(None).client(limits) as client:
            for _ in range(TOUCHY.failures):
                with pytest.raises(transport.TimedOut):
                    await client.request("GET", URL, timeout=0.15)
            with pytest.raises(transport.CircuitOpen):
                await client.request("GET", URL)

    skipping(work)


def test_a_caller_without_patience_says_nothing_of_the_host() -> None:
    host = Host(None)
    limits = TransportLimits(connect_timeout=2, circuit=TOUCHY)

    async def work() -> None:
        async with host.client(limits) as client:
            for _ in range(TOUCHY.failures + 2):
                with pytest.raises(transport.TimedOut):
                    await client.request("GET", URL, timeout=0.05)
            host.replies = [Reply()]
            assert (await client.request("GET", URL)).status == 200

    skipping(work)


def test_a_host_that_asks_for_quiet_is_waited_for_when_there_is_time() -> None:
    async def work() -> None:
        async with Host(Reply()).client() as client:
            client.hold(URL + "/path", 0.3)
            assert (await client.request("GET", URL)).status == 200
        assert now() == pytest.approx(0.3)

    skipping(work)


def test_a_longer_quiet_fails_at_once_and_signed_calls_go_on() -> None:
    host = Host(Reply())

    async def work() -> None:
        async with host.client() as client:
            client.hold(URL, 60)
            with pytest.raises(transport.Held) as caught:
                await client.request("GET", URL)
            assert caught.value.seconds == pytest.approx(60)
            assert host.asked == 0
            signed = transport.Auth()
            assert (await client.request("GET", URL, auth=signed)).status == 200
            client.hold(URL, 60, signed_too=True)
            with pytest.raises(transport.Held):
                await client.request("GET", URL, auth=signed)
        assert (now(), host.asked) == (0, 1)

    skipping(work)
