"""Resting orders: reported at once, repeated while any rests, and through outages."""

import asyncio
import json
from typing import Any, cast

from botkeys.client import Pace
from botkeys.client.connection import Connection
from botkeys.client.order_reporter import OrderReporter
from botkeys.transport.client import HttpAnswer
from tests.sdk.client.conftest import Service
from tests.sdk.client.runtime import Runtime
from tests.sdk.client.skipping import skipping

RARELY = Pace(heartbeat=3600, orders=60)
NO_KEY = (409, {"code": "key_not_assigned", "detail": "No."})


def counts(runtime: Runtime) -> list[dict[str, int]]:
    return [
        {entry["symbol"]: entry["count"] for entry in call.body["orders"]}
        for call in runtime.to("orders")
    ]


def test_counts_are_repeated_while_orders_rest_and_not_afterwards(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service)
        async with runtime.client(pace=RARELY) as client, client.running():
            await asyncio.sleep(300)
            assert counts(runtime) == []

            client.report_orders({"BTC-USDT-SWAP": 2, "ETH-USDT-SWAP": 0})
            await asyncio.sleep(200)
            assert counts(runtime) == [{"BTC-USDT-SWAP": 2}] * 4

            client.report_orders({})
            await asyncio.sleep(300)
            assert counts(runtime)[4:] == [{}]

    skipping(work)


def test_the_newest_counts_arrive_after_an_outage(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service, down=True)
        async with runtime.client(pace=RARELY) as client, client.running():
            client.report_orders({"BTC-USDT-SWAP": 2})
            await asyncio.sleep(100)
            client.report_orders({"BTC-USDT-SWAP": 1})
            runtime.calls.clear()
            runtime.down = False
            await asyncio.sleep(100)
            assert counts(runtime)[-1] == {"BTC-USDT-SWAP": 1}

    skipping(work)


def test_refused_counts_are_not_sent_again(service: Service) -> None:
    async def work() -> None:
        runtime = Runtime(service, faults={"orders": NO_KEY})
        async with runtime.client(pace=RARELY) as client, client.running():
            client.report_orders({"BTC-USDT-SWAP": 2})
            await asyncio.sleep(1000)
            assert len(counts(runtime)) == 1

            runtime.faults.clear()
            client.report_orders({"BTC-USDT-SWAP": 3})
            await asyncio.sleep(1)
            assert counts(runtime)[-1] == {"BTC-USDT-SWAP": 3}

    skipping(work)


def test_counts_that_came_while_older_ones_were_refused_are_reported() -> None:
    async def work() -> None:
        sent: list[Any] = []

        class Refusing:
            async def call(self, *_: object, body: Any, **__: object) -> HttpAnswer:
                sent.append(body["orders"])
                if len(sent) > 1:
                    return HttpAnswer(200, {}, b"{}")
                reporter.put({"ETH-USDT-SWAP": 3})
                status, problem = NO_KEY
                return HttpAnswer(status, {}, json.dumps(problem).encode())

        reporter = OrderReporter(cast("Connection", Refusing()), RARELY)
        reporter.put({"BTC-USDT-SWAP": 2})
        running = asyncio.create_task(reporter.run())
        await asyncio.sleep(1)
        running.cancel()
        assert sent[1] == [{"symbol": "ETH-USDT-SWAP", "count": 3}]

    skipping(work)
