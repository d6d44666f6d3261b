"""A bot and its service, both killed: the bot goes on with what it held and loses no report."""

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from botkeys.sealing.secret import Secret
from tests.processes.conftest import History, Start
from tests.processes.running import free_port
from tests.sdk.client.reporting import Reporting


def all_trades(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = http.get(f"/v1/trades?environment=testnet&limit=200{cursor}").json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_bot_that_was_killed_goes_on_where_it_was(
    start: Start,
    data: Path,
    history: History,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """R21, R63 and R64, with a real service that was killed too."""
    port = free_port()
    service = start(data, port=port)
    service.ready()
    bot = Reporting(service.address, tmp_path / "outbox", Secret(history.trader.token))
    request.addfinalizer(bot.close)
    killed = bot.start(0, 1, "--hold", "btc-1")
    bot.until(killed, lambda: bot.taken[-1:] == ["done"])
    bot.end(killed, signal.SIGKILL)
    service.stops_by_ctrl_c()
    killed = bot.start(1, 275)
    bot.until(killed, lambda: len(bot.taken) == 278)
    bot.end(killed, signal.SIGKILL)
    stopped = bot.start(276, 148)
    bot.until(stopped, lambda: len(bot.taken) == 278 + 149)
    bot.end(stopped, signal.SIGTERM)

    service = start(data, port=port)
    service.ready()
    bot.deliver("--close")

    with service.http(service.token()) as http:
        trades = all_trades(http)
        assert sorted(trade["id"] for trade in trades) == sorted(f"p{n}" for n in range(424))
        [position] = [
            each
            for each in http.get("/v1/positions?environment=testnet").json()["items"]
            if each["id"] == "btc-1"
        ]
    assert (position["status"], position["exit_price"]) == ("closed", "98000")
    bot.deliver("--close")
