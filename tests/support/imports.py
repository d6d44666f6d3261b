"""Files of trades, sent to be imported, and what became of them."""

import csv
import io
from typing import Any

import httpx

from app.worker.importing import DEFAULT_LIMITS, ImportLimits, store_imported
from tests.support.world import Json, User, World

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
OPENED, CLOSED = "2026-11-20T10:00:00Z", "2026-11-20T12:00:00Z"


def exported(name: str, key: Json, **changes: Any) -> Json:
    """Return an item of the list of trades, for a key of the caller's account or of another."""
    return {
        "id": name,
        "bot": None,
        "key": {"id": key["id"], "label": key["label"]},
        "exchange": key["exchange"],
        "environment": key["environment"],
        "contract_type": "linear",
        "symbol": "BTC-USDT-SWAP",
        "side": "long",
        "quantity": "0.5",
        "entry_price": "90000",
        "exit_price": "91000",
        "fees": "1.25",
        "pnl": "498.75",
        "settle": "USDT",
        "contract_size": "1",
        "leverage": None,
        "margin_mode": None,
        "position_id": None,
        "exit_reason": None,
        "opened_at": OPENED,
        "closed_at": CLOSED,
        **changes,
    }


def at(second: int) -> int:
    """Return a time in milliseconds since 1970."""
    return 1_763_630_000_000 + second * 1000


def freqtrade(**changes: Any) -> Json:
    """Return a closed trade as freqtrade's own API shows it, without what has no place here."""
    return {
        "trade_id": 7,
        "pair": "BTC/USDT:USDT",
        "base_currency": "BTC",
        "quote_currency": "USDT",
        "is_open": False,
        "is_short": True,
        "exchange": "okx",
        "amount": 0.5,
        "amount_requested": 0.5,
        "stake_amount": 45000.0,
        "strategy": "Sample",
        "enter_tag": None,
        "timeframe": 5,
        "fee_open": 0.0005,
        "fee_open_cost": 22.5,
        "fee_open_currency": "USDT",
        "fee_close": 0.0005,
        "fee_close_cost": 22.25,
        "fee_close_currency": "USDT",
        "open_date": "2025-11-20 09:13:20",
        "open_timestamp": at(0),
        "open_rate": 90000.0,
        "close_date": "2025-11-20 10:53:20",
        "close_timestamp": at(6000),
        "close_rate": 89000.0,
        "close_profit_abs": 455.25,
        "profit_abs": 455.25,
        "exit_reason": "roi",
        "leverage": 2.0,
        "trading_mode": "futures",
        "funding_fees": 0.0,
        **changes,
    }


async def send(user: User, content: bytes, media_type: str = JSON, **query: Any) -> httpx.Response:
    return await user.http.post(
        "/v1/trades/import",
        params={name: str(value) for name, value in query.items()},
        content=content,
        headers={"Authorization": f"Bearer {user.token}", "Content-Type": media_type},
    )


async def store(world: World, limits: ImportLimits = DEFAULT_LIMITS) -> int:
    """Work on imports until none is waiting; return how many were ended."""
    database = world.purger or world.context.database
    return await store_imported(database.sessions, limits)


async def bring(
    world: World, user: User, content: bytes, media_type: str = JSON, **query: Any
) -> Json:
    """Import a file; return the operation once it has ended."""
    answer = await send(user, content, media_type, **query)
    assert answer.status_code == 202, answer.text
    assert await store(world) == 1
    operation = (await user.get(answer.headers["location"])).json()
    assert operation["status"] in {"succeeded", "failed", "cancelled"}, operation
    document: Json = operation
    return document


async def refused(user: User, operation: Json) -> list[Json]:
    answer = await user.get(f"/v1/trades/import/{operation['id']}/refused")
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["items"]
    return items


async def trades(user: User, environment: str = "testnet") -> list[Json]:
    answer = await user.get(f"/v1/trades?environment={environment}&limit=200")
    items: list[Json] = answer.json()["items"]
    return items


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
