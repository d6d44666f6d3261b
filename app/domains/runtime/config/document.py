"""Everything that a bot needs to run, as one document with a version."""

import hashlib
from collections.abc import Sequence
from typing import Any

from app.domains.bots.config_rows import ConfigRow
from app.domains.bots.opening_rules import bot_blocked_by, row_blocked_by
from app.kit.json_codec import dumps_sorted
from botkeys.exchanges.model import ContractType, Endpoints, Environment
from botkeys.exchanges.registry import Exchanges

_VERSION_BYTES = 16


def config_document(
    rows: Sequence[ConfigRow], exchanges: Exchanges, *, refuse_withdrawal: bool
) -> dict[str, Any]:
    """Return the members of `runtime.config.schemas.Config`. Equal content has an equal version."""
    first = rows[0]
    reasons = bot_blocked_by(rows, refuse_withdrawal=refuse_withdrawal)
    endpoints = _endpoints(first, exchanges)
    content = {
        "may_open_positions": not reasons,
        "blocked_by": reasons,
        "key": _key(first),
        "endpoints": {"rest": endpoints.rest, "websocket": endpoints.websocket},
        "assets": [_asset(row) for row in rows if row.symbol is not None],
    }
    return {"version": _version(content), **content}


def _endpoints(row: ConfigRow, exchanges: Exchanges) -> Endpoints:
    if row.key_id is None:
        return Endpoints(None, None)
    return exchanges.adapter(row.exchange).endpoints(
        Environment(row.environment), row.region, ContractType(row.contract_type)
    )


def _key(row: ConfigRow) -> dict[str, Any] | None:
    if row.key_id is None:
        return None
    return {
        "id": row.key_id,
        "label": row.label,
        "exchange": row.exchange,
        "environment": row.environment,
        "contract_type": row.contract_type,
        "version": row.version,
    }


def _asset(row: ConfigRow) -> dict[str, Any]:
    reasons = row_blocked_by(row)
    return {
        "symbol": row.symbol,
        "leverage": row.leverage,
        "margin_mode": row.margin_mode,
        "enabled": row.enabled,
        "max_leverage": row.max_leverage,
        "settle": row.settle,
        "price": row.price,
        "tick_size": row.tick_size,
        "lot_size": row.lot_size,
        "min_quantity": row.min_quantity,
        "contract_size": row.contract_size,
        "contract_changed_at": row.contract_changed_at,
        "may_open_positions": not reasons,
        "blocked_by": reasons,
    }


def _version(content: dict[str, Any]) -> str:
    """Return the first 128 bits of the SHA-256 of the content, in hexadecimal."""
    text = dumps_sorted(content)
    return hashlib.sha256(text).digest()[:_VERSION_BYTES].hex()
