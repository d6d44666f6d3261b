"""The big account as its user and one of its bots see it: what the calls are made with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from app.db.engine import Database
from benchmarks.growth.rows import seeded_id
from benchmarks.growth.sweeps import Sweep

SYMBOL = "COIN7USDT"
_CATALOGUES = """
    INSERT INTO catalogues (exchange, environment, region, contract_type,
        instruments_fetched_at, prices_fetched_at, attempted_at)
    SELECT exchange, environment, '', 'linear', now(), now(), now()
    FROM unnest(CAST(:exchanges AS text[])) AS exchange,
        unnest(ARRAY['live', 'testnet']) AS environment
    ON CONFLICT DO NOTHING
"""
_INSTRUMENTS = """
    INSERT INTO instruments (exchange, environment, region, contract_type, symbol, base, quote,
        settle, contract_size, tick_size, lot_size, min_quantity, max_leverage, margin_modes,
        listed, search_text)
    SELECT exchange, environment, '', 'linear', 'COIN' || n || 'USDT', 'COIN' || n, 'USDT', 'USDT',
        1, 0.1, 0.001, 0.001, 100, '{cross,isolated}', true, 'coin' || n || ' usdt'
    FROM catalogues, generate_series(0, 499) AS n
    ON CONFLICT DO NOTHING
"""


class Refused(Exception):
    """A call did not succeed, so there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Caller:
    http: httpx.AsyncClient
    token: str

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, status: int = 0
    ) -> Any:
        """Return the answer's document; raise `Refused` unless it has this status, or is 2xx."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        content = None if body is None else json.dumps(body)
        answer = await self.http.request(method, path, content=content, headers=headers)
        if answer.status_code != status and (status or not answer.is_success):
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content and answer.status_code != 304 else None


@dataclass(frozen=True, slots=True)
class Scene:
    """The account's user, one of its bots, and what the addresses of calls name.

    The seeded key and bot are the big account's oldest, which have reports.
    """

    account_id: UUID
    user: Caller
    bot: Caller
    names: dict[str, str]

    @property
    def webhook(self) -> UUID:
        return UUID(self.names["webhook_id"])


async def set_scene(
    http: httpx.AsyncClient, token: str, account_id: UUID, owner: Database, tasks: Sequence[Sweep]
) -> Scene:
    """Make the account with one bot and all that a call can name. `owner` may write any table.

    The tasks of the workers end its operations.
    """
    async with owner.sessions.begin() as session:
        exchanges = ["binance", "okx", "bybit"]
        await session.execute(text(_CATALOGUES), {"exchanges": exchanges})
        await session.execute(text(_INSTRUMENTS))
    user = Caller(http, token)
    key = await user.call("POST", "/v1/keys", new_key(0))
    bot = await user.call("POST", "/v1/bots", {"name": "Measured"})
    minted = await user.call("POST", f"/v1/bots/{bot['id']}/token")
    await user.call("PUT", f"/v1/bots/{bot['id']}/key", {"key_id": key["id"]})
    machine = Caller(http, minted["token"])
    for number in range(12):
        asset = {"symbol": f"COIN{number}USDT", "leverage": "5"}
        await user.call("POST", f"/v1/keys/{key['id']}/assets", asset)
    webhook = await user.call("POST", "/v1/webhooks", {"url": "https://hooks.example.com/200"})
    freeze = await user.call(
        "POST", "/v1/freezes", {"scope": "exchange", "exchange": "gemini", "reason": "measured"}
    )
    operation = await user.call(
        "POST", "/v1/data-deletions", {"scope": "environment", "environment": "testnet"}
    )
    brought = await user.call("POST", f"/v1/trades/import?key_id={key['id']}", {"items": []})
    await machine.call("POST", "/v1/runtime/heartbeat")
    for task in tasks:
        await task.turn()
    names = {
        "key_id": key["id"],
        "bot_id": bot["id"],
        "webhook_id": webhook["id"],
        "freeze_id": freeze["id"],
        "operation_id": operation["id"],
        "import_id": brought["id"],
        "seeded_key_id": seeded_id("0be", 0),
        "seeded_bot_id": seeded_id("0b0", 0),
        "symbol": SYMBOL,
    }
    return Scene(account_id, user, machine, names)


def new_key(number: int) -> dict[str, Any]:
    return {
        "label": f"Measured {number}",
        "exchange": "binance",
        "environment": "testnet",
        "contract_type": "linear",
        "api_key": f"{number:064}",
        "api_secret": f"secret{number:058}",
        "verify": False,
    }
