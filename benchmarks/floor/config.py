"""A bot's configuration, by hand: the service's statement, and the same document with its hash."""

import hashlib
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app.runtime.situation import ONE
from benchmarks.floor.calls import NOT_MODIFIED, Answer, Call

REST = "https://api.bybit.com"
WEBSOCKET = "wss://stream.bybit.com/v5"


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, UUID):
        return str(value)
    raise TypeError


def document(rows: list[asyncpg.Record]) -> dict[str, Any]:
    """For bots whose keys are of one exchange: nobody looks anything up that is always the same."""
    assets = []
    enabled_assets = 0
    for row in rows:
        (symbol, leverage, margin_mode, enabled, listed, max_leverage) = row[15:21]
        if symbol is None:
            continue
        blocked_by = []
        if enabled:
            enabled_assets += 1
        else:
            blocked_by.append("asset_disabled")
        if row[14] and not listed:
            blocked_by.append("asset_delisted")
        if leverage is not None and max_leverage is not None and leverage > max_leverage:
            blocked_by.append("leverage_above_max")
        assets.append(
            {
                "symbol": symbol,
                "leverage": leverage,
                "margin_mode": margin_mode,
                "enabled": enabled,
                "max_leverage": max_leverage,
                "settle": row[21],
                "price": row[22],
                "tick_size": row[23],
                "lot_size": row[24],
                "min_quantity": row[25],
                "contract_size": row[26],
                "may_open_positions": not blocked_by,
                "blocked_by": blocked_by,
            }
        )
    reasons = _reasons(rows[0], enabled_assets)
    return {
        "may_open_positions": not reasons,
        "blocked_by": reasons,
        "key": _key(rows[0]),
        "endpoints": {"rest": REST, "websocket": WEBSOCKET},
        "assets": assets,
    }


def _reasons(row: asyncpg.Record, enabled_assets: int) -> list[str]:
    reasons = []
    if row[3]:
        reasons.append("bot_paused")
    if not row[11]:
        reasons.append("key_inactive")
    if row[12] == "no":
        reasons.append("key_cannot_trade")
    if row[13] == "rejected":
        reasons.append("credentials_rejected")
    if not enabled_assets:
        reasons.append("no_trading_assets")
    if not row[14]:
        reasons.append("catalogue_unknown")
    return reasons


def _key(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row[4],
        "label": row[5],
        "exchange": row[6],
        "environment": row[7],
        "contract_type": row[9],
        "version": row[10],
    }


def version(content: dict[str, Any]) -> str:
    text = orjson.dumps(content, default=_text, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).digest()[:16].hex()


class GetConfig:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self, call: Call) -> Answer:
        rows = await self._pool.fetch(ONE.text, call.account_id, call.bot_id)
        content = document(rows)
        told = version(content)
        tag = f'"{told}"'.encode()
        if call.header(b"if-none-match") == tag:
            return Answer(b"", NOT_MODIFIED, tag)
        return Answer(orjson.dumps({"version": told, **content}, default=_text), tag=tag)
