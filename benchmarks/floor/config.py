"""A bot's configuration, by hand: the service's rows, and the same document with its hash.

The rows come without the digests by which the service knows them again.
"""

import hashlib
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app.domains.bots.config_rows import UNDER_LOCKS, ConfigRow
from benchmarks.floor.calls import NOT_MODIFIED, Answer, Call

REST = "https://api.bybit.com"
WEBSOCKET = "wss://stream.bybit.com/v5"

_PLACES = {name: place for place, name in enumerate(ConfigRow._fields)}
_ACTIVE, _TRADE = _PLACES["active"], _PLACES["permission_trade"]
_WITHDRAW, _UNVERIFIED = _PLACES["permission_withdraw"], _PLACES["unverified"]
_VERIFIED, _KNOWN = _PLACES["verification_status"], _PLACES["catalogue_known"]
_SYMBOL, _ENABLED, _LISTED = _PLACES["symbol"], _PLACES["enabled"], _PLACES["listed"]
_LEVERAGE, _MAX_LEVERAGE = _PLACES["leverage"], _PLACES["max_leverage"]
_REASONS = [
    ("account_closing", _PLACES["account_closing"]),
    ("frozen", _PLACES["frozen"]),
    ("bot_paused", _PLACES["paused"]),
]
_KEY = [
    ("id", _PLACES["key_id"]),
    *((name, _PLACES[name]) for name in ("label", "exchange", "environment", "contract_type")),
    ("version", _PLACES["version"]),
]
_ASSET = [
    (name, _PLACES[name])
    for name in (
        "symbol",
        "leverage",
        "margin_mode",
        "enabled",
        "max_leverage",
        "settle",
        "price",
        "tick_size",
        "lot_size",
        "min_quantity",
        "contract_size",
        "contract_changed_at",
    )
]


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, UUID):
        return str(value)
    raise TypeError


def document(rows: list[asyncpg.Record]) -> dict[str, Any]:
    """Return the document of a bot; all keys are of one exchange, so constants need no lookup."""
    assets = [_asset(row) for row in rows if row[_SYMBOL] is not None]
    first = rows[0]
    reasons = [reason for reason, place in _REASONS if first[place]]
    if not first[_ACTIVE]:
        reasons.append("key_inactive")
    if first[_TRADE] == "no":
        reasons.append("key_cannot_trade")
    if first[_WITHDRAW] == "yes":
        reasons.append("withdrawal_permission")
    if first[_UNVERIFIED]:
        reasons.append("unverified")
    if first[_VERIFIED] == "rejected":
        reasons.append("credentials_rejected")
    if not any(asset["enabled"] for asset in assets):
        reasons.append("no_trading_assets")
    if not first[_KNOWN]:
        reasons.append("catalogue_unknown")
    return {
        "may_open_positions": not reasons,
        "blocked_by": reasons,
        "key": {name: first[place] for name, place in _KEY},
        "endpoints": {"rest": REST, "websocket": WEBSOCKET},
        "assets": assets,
    }


def _asset(row: asyncpg.Record) -> dict[str, Any]:
    blocked_by = []
    if not row[_ENABLED]:
        blocked_by.append("asset_disabled")
    if row[_KNOWN] and not row[_LISTED]:
        blocked_by.append("asset_delisted")
    leverage, max_leverage = row[_LEVERAGE], row[_MAX_LEVERAGE]
    if leverage is not None and max_leverage is not None and leverage > max_leverage:
        blocked_by.append("leverage_above_max")
    asset: dict[str, Any] = {name: row[place] for name, place in _ASSET}
    asset["may_open_positions"] = not blocked_by
    asset["blocked_by"] = blocked_by
    return asset


def version(content: dict[str, Any]) -> str:
    text = orjson.dumps(content, default=_text, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).digest()[:16].hex()


class GetConfig:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self, call: Call) -> Answer:
        rows = await self._pool.fetch(UNDER_LOCKS.text, call.account_id, call.bot_id)
        content = document(rows)
        current = version(content)
        tag = f'"{current}"'.encode()
        if call.header(b"if-none-match") == tag:
            return Answer(b"", NOT_MODIFIED, tag)
        return Answer(orjson.dumps({"version": current, **content}, default=_text), tag=tag)
