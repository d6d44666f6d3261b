"""Turns bot rows into the documents that the API shows."""

from typing import Any

from app.domains.bots.repository import BotRow


def bot_document(row: BotRow) -> dict[str, Any]:
    """Return the members of `app.domains.bots.schemas.Bot`."""
    return {
        "id": row.id,
        "name": row.name,
        "paused": row.paused,
        "online": row.online,
        "last_heartbeat_at": row.last_heartbeat_at,
        "key": None
        if row.key_id is None
        else {
            "id": row.key_id,
            "label": row.key_label,
            "exchange": row.key_exchange,
            "environment": row.key_environment,
        },
        "open_positions": row.open_positions,
        "open_orders": row.open_orders,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
