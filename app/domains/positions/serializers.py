"""Turns position rows into the documents that the API shows."""

from typing import Any

from app.domains.positions.rows import PositionRow


def position_document(row: PositionRow) -> dict[str, Any]:
    """Return the members of `app.domains.positions.schemas.Position`."""
    return {
        "id": row.id,
        "bot": {"id": row.bot_id, "name": row.bot_name},
        "key": {"id": row.key_id, "label": row.key_label},
        "exchange": row.exchange,
        "environment": row.environment,
        "contract_type": row.contract_type,
        "symbol": row.symbol,
        "side": row.side,
        "status": "closed" if row.lapsed else row.status,
        "quantity": row.quantity,
        "entry_price": row.entry_price,
        "exit_price": row.exit_price,
        "leverage": row.leverage,
        "margin_mode": row.margin_mode,
        "fees": row.fees,
        "revision": row.revision,
        "opened_at": row.opened_at,
        "closed_at": row.expires_at if row.lapsed else row.closed_at,
        "close_reason": "lapsed" if row.lapsed else row.close_reason,
        "expires_at": None if row.lapsed else row.expires_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
