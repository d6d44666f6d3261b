"""An account as a trader has it after a month: keys in several states, bots, assets, a history."""

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.simulator import credentials

KEYS: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
    ("Bybit strategy test", "bybit", "testnet", "trade", {}),
    ("OKX paper", "okx", "testnet", "trade", {}),
    ("Phemex spare", "phemex", "live", "trade", {"active": False}),
    ("KuCoin watcher", "kucoin", "live", "readonly", {}),
    ("Deribit desk", "deribit", "live", "expiring", {}),
    ("Kraken futures", "kraken", "live", "trade", {}),
    ("Binance hedge", "binance", "live", "trade", {}),
    ("BTC Perps Key", "bybit", "live", "trade", {}),
    ("BitMEX Main", "bitmex", "live", "trade", {"contract_type": "inverse"}),
)
"""Label, exchange, environment, simulated credentials, and what differs from the usual."""
BOTS = {"BitMEX Main": "Grid BTC", "BTC Perps Key": "Trend ETH", "OKX paper": "Mean reversion"}
"""The name of the bot that gets each key."""
SYMBOLS = {
    "Grid BTC": ["XBTUSD"],
    "Trend ETH": ["ETHUSDT", "BTCUSDT"],
    "Mean reversion": ["BTC-USDT-SWAP", "ETH-USDT-SWAP"],
}
DAYS = 30
_TRADES_A_DAY = 4
_BATCH = 100


@dataclass(slots=True)
class Furnished:
    """The ids of keys by label, and tokens of bots by name."""

    keys: dict[str, str] = field(default_factory=dict)
    bots: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


async def furnish(api: httpx.AsyncClient, runtime: httpx.AsyncClient | None = None) -> Furnished:
    """Fill an account.

    `api` is a client of its user. With `runtime`, a client without credentials, the bots also
    report a month of trades and equity.
    """
    made = Furnished()
    known = credentials()
    for label, exchange, environment, variant, changes in KEYS:
        body = {
            "label": label,
            "exchange": exchange,
            "environment": environment,
            "contract_type": "linear",
            **known[exchange][environment][variant],
            **changes,
        }
        made.keys[label] = (await _sent(api, "POST", "/v1/keys", body))["id"]
    for label, name in BOTS.items():
        await _bot(api, made, label, name)
        if runtime is not None:
            await _history(runtime, made, name)
    return made


async def _bot(api: httpx.AsyncClient, made: Furnished, label: str, name: str) -> None:
    """Make a bot with this key, its assets and a token."""
    key = made.keys[label]
    bot = (await _sent(api, "POST", "/v1/bots", {"name": name}))["id"]
    made.bots[name] = bot
    await _sent(api, "PUT", f"/v1/bots/{bot}/key", {"key_id": key})
    for symbol in SYMBOLS[name]:
        asset = {"symbol": symbol, "leverage": "5"}
        await _sent(api, "POST", f"/v1/keys/{key}/assets", asset)
    made.tokens[name] = (await _sent(api, "POST", f"/v1/bots/{bot}/token"))["token"]


async def _history(runtime: httpx.AsyncClient, made: Furnished, name: str) -> None:
    """Report trades and equity of the last month, the same with each run."""
    chance = random.Random(name)  # noqa: S311  # a story, not a secret
    inverse = name == "Grid BTC"
    settle, start = ("BTC", 0.5) if inverse else ("USDT", 10_000.0)
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    trades, snapshots, equity = [], [], start
    for step in range(DAYS * _TRADES_A_DAY):
        opened = begin + timedelta(days=step / _TRADES_A_DAY)
        entry = 90_000 + 6_000 * math.sin(step / 9) + chance.uniform(-300, 300)
        move = chance.gauss(0.0006, 0.006)
        side = chance.choice(["long", "short"])
        price = entry * (1 + move * (1 if side == "long" else -1))
        equity *= 1 + move / 2
        trades.append(
            {
                "id": f"trade-{step}",
                "symbol": chance.choice(SYMBOLS[name]),
                "side": side,
                "quantity": "10000" if inverse else "0.1",
                "entry_price": f"{entry:.1f}",
                "exit_price": f"{price:.1f}",
                "fees": "0.00005" if inverse else "0.9",
                "opened_at": opened.isoformat(),
                "closed_at": (opened + timedelta(hours=2)).isoformat(),
                "exit_reason": "target" if move > 0 else "stop",
            }
        )
        snapshots.append(
            {
                "id": f"equity-{step}",
                "at": (opened + timedelta(hours=2)).isoformat(),
                "equity": f"{equity:.6f}",
                "settle": settle,
            }
        )
    headers = {"Authorization": f"Bearer {made.tokens[name]}"}
    for path, rows in (("trades", trades), ("equity-snapshots", snapshots)):
        for first in range(0, len(rows), _BATCH):
            body = {"items": rows[first : first + _BATCH]}
            await _sent(runtime, "POST", f"/v1/runtime/{path}", body, headers)
    await _sent(runtime, "POST", "/v1/runtime/heartbeat", {}, headers)


async def _sent(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Any:
    answer = await client.request(method, path, json=body, headers=headers)
    if not answer.is_success:
        raise RuntimeError(f"{method} {path}: {answer.text}")
    return answer.json()
