"""Fixed ports, and the control port of a simulator that has a process of its own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from app.simulator import PortUnavailable, Simulator
from app.simulator.control import Control
from app.simulator.http_server import HttpServer
from app.simulator.ports import plan


def test_the_plan_of_ports_is_what_the_documents_say() -> None:
    ports = plan()
    assert ports["bitmex"] == {"live": 8600, "testnet": 8601}
    assert ports["bybit"] == {"live": 8610, "testnet": 8611, "demo": 8612}
    assert ports["woox"] == {"live": 8690, "testnet": 8691}
    assert plan(9000, {"okx": 7000})["okx"] == {"live": 7000, "testnet": 7001}


@pytest.mark.parametrize(
    ("base", "chosen", "sentence"),
    [
        (8600, {"okx": 8600}, "okx and bitmex would share port 8600"),
        (8600, {"okx": 8699}, "okx and the control port would share port 8699"),
        (65_500, {}, "would have port 65540, which does not exist"),
        (8600, {"ftx": 9000}, "no such exchange: ftx"),
    ],
)
def test_ports_that_cannot_be_are_a_sentence(
    base: int, chosen: Mapping[str, int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        plan(base, chosen)


async def test_a_taken_port_is_a_sentence_and_leaves_nothing_open(simulator: Simulator) -> None:
    address = httpx.URL(simulator.hosts["okx"]["live"])
    assert address.port is not None
    one = {**dict.fromkeys(("live", "testnet", "demo"), 0)}
    ports = {**dict.fromkeys(plan(), one), "okx": {"live": address.port, "testnet": 0}}
    other = Simulator(perpetuals=2, long_listing=2, ports=ports)
    with pytest.raises(PortUnavailable, match=f"port {address.port}: Address already in use"):
        await other.__aenter__()
    assert other.hosts == {}


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    server = HttpServer(Control(simulator, {"addresses": simulator.hosts}).answer)
    async with httpx.AsyncClient(base_url=await server.start()) as http:
        yield http
    await server.stop()
    simulator.faults.clear()


FAULT = {"exchange": "okx", "environment": "testnet", "kind": "rate_limited", "times": 1}


async def test_faults_are_set_listed_used_up_and_cleared(
    control: httpx.AsyncClient, simulator: Simulator
) -> None:
    index = (await control.get("/")).json()
    assert index["addresses"] == simulator.hosts
    assert {"rate_limited", "slow", "cut"} <= set(index["fault_kinds"])
    assert (await control.post("/faults", json=FAULT)).status_code == 201
    assert (await control.get("/faults")).json()["items"][0]["left"] == 1

    okx = simulator.hosts["okx"]["testnet"] + "/api/v5/public/time"
    headers = {"x-simulated-trading": "1"}
    before = (await control.get("/calls")).json()["okx"]["testnet"].get("/api/v5/public/time", 0)
    async with httpx.AsyncClient(headers=headers) as http:
        assert [(await http.get(okx)).status_code for _ in range(2)] == [429, 200]
    calls = (await control.get("/calls")).json()["okx"]["testnet"]["/api/v5/public/time"]
    assert calls == before + 2

    for exchange in ("okx", "binance"):
        await control.post("/faults", json={**FAULT, "exchange": exchange})
    left = (await control.delete("/faults", params={"exchange": "okx"})).json()["items"]
    assert [fault["exchange"] for fault in left] == ["binance"]
    assert (await control.delete("/faults")).json() == {"items": []}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"exchange": "ftx"}, "no such exchange: ftx."),
        ({"environment": "demo"}, "no such environment: demo."),
        ({"kind": "lazy"}, "kind: Input should be 'rate_limited'"),
        ({"times": 0}, "times: Input should be greater than or equal to 1"),
        ({"tmes": 1}, "tmes: Extra inputs are not permitted"),
    ],
)
async def test_a_fault_that_cannot_be_is_refused(
    control: httpx.AsyncClient, simulator: Simulator, changed: dict[str, Any], sentence: str
) -> None:
    answer = await control.post("/faults", json={**FAULT, **changed})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(sentence)
    assert simulator.faults.active() == ()


async def test_a_page_in_a_browser_cannot_set_faults(control: httpx.AsyncClient) -> None:
    """Such a body needs no preflight; the others fail at theirs."""
    answer = await control.post("/faults", content="{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert (await control.options("/faults")).status_code == 405
    assert (await control.get("/else")).status_code == 404
    assert (await control.delete("/faults?exchange=ftx")).status_code == 422
    assert (await control.delete("/faults?exchnge=okx")).status_code == 422
