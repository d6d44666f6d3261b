"""A process whose own clock is wrong keeps the database's time."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from examples.issuer import Issuer
from tests.processes.debian import needed
from tests.processes.logins import Logins
from tests.processes.production import installed, is_ready
from tests.processes.running import PATIENCE
from tests.processes.trading import new_key, new_trader, sent, unchecked_key
from tests.support.world import Json

pytestmark = pytest.mark.torture
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
MINUTES = 10


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text))


def _is_about_now(text: object, later: float = 0.0) -> bool:
    expected = datetime.now(UTC) + timedelta(seconds=later)
    return abs(_moment(text) - expected) < timedelta(seconds=30)


@pytest.mark.parametrize("minutes", [MINUTES, -MINUTES])
def test_a_process_whose_clock_is_wrong_keeps_the_databases_time(
    tmp_path: Path, production_logins: Logins, oidc: Issuer, exchange_hosts: str, minutes: int
) -> None:
    """R37."""
    needed(LIBRARY)
    database = asyncio.run(production_logins.migrated())
    with installed(tmp_path, production_logins, database, oidc, exchange_hosts) as installation:
        installation.variables = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME": f"{minutes * 60:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        (_, runtime_address), (_, api_address) = served = [
            installation.serve(role) for role in ("runtime", "api")
        ]
        for process, address in served:
            assert is_ready(process, address), process.text
        # Older than the error, and valid for longer than it.
        token = oidc.token("alice", age=2 * MINUTES * 60)
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=api_address, headers=headers, timeout=PATIENCE) as api,
            httpx.Client(base_url=runtime_address, headers=headers, timeout=PATIENCE) as runtime,
        ):
            _checks_no_key_with_a_wrong_time(api)
            trader = new_trader(api, runtime, unchecked_key(1))
            bot = {"Authorization": f"Bearer {trader.token}"}
            assert asyncio.run(trader.opened(runtime_address)) == trader.secret
            _keeps_its_times(api, runtime, trader.bot_id, trader.key_id, bot)
        for process, _ in served:
            assert process.is_clean, process.text


def _checks_no_key_with_a_wrong_time(api: httpx.Client) -> None:
    """The exchange rejects the request's time: the answer states that, and no key is stored."""
    rejected = sent(api.post("/v1/keys", json=new_key("bybit")), 422)
    assert rejected["code"] == "credentials_rejected"
    assert rejected["reason"] == "clock_skew"
    assert sent(api.get("/v1/keys"), 200)["items"] == []


def _keeps_its_times(
    api: httpx.Client, runtime: httpx.Client, bot_id: str, key_id: str, bot: dict[str, str]
) -> None:
    """Leases, reservations, releases and what is stored follow the database's clock."""
    sent(runtime.post("/v1/runtime/heartbeat", json={}, headers=bot), 200)
    shown = sent(api.get(f"/v1/bots/{bot_id}"), 200)
    assert shown["online"]
    assert _is_about_now(shown["created_at"])
    key = sent(api.get(f"/v1/keys/{key_id}"), 200)
    assert _is_about_now(key["last_release"]["at"])
    report = {"symbol": "BTC-USDT-SWAP", "side": "long", "status": "open", "quantity": "1"}
    position = sent(runtime.put("/v1/runtime/positions/one", json=report, headers=bot), 200)
    assert _is_about_now(position["opened_at"])
    now = datetime.now(UTC)
    trade: Json = {
        "id": "one",
        "symbol": "BTCUSDT",
        "side": "long",
        "quantity": "1",
        "entry_price": "1",
        "exit_price": "2",
        "opened_at": (now - timedelta(hours=1)).isoformat(),
        "closed_at": now.isoformat(),
    }
    stored = runtime.post("/v1/runtime/trades", json={"items": [trade]}, headers=bot)
    assert sent(stored, 200)["results"][0]["status"] == "stored"
