"""Turns bot rows into the documents that the API shows."""

from typing import Any

from app.domains.bots.rows import BotRow, blocked_by_of


class BotDocuments:
    """Makes the documents under the service's policy.

    `refuse_withdrawal`: as for `app.domains.bots.opening_rules`.
    """

    def __init__(self, *, refuse_withdrawal: bool) -> None:
        self._refuse_withdrawal = refuse_withdrawal

    def bot(self, row: BotRow) -> dict[str, Any]:
        """Return the members of `app.domains.bots.schemas.Bot`."""
        return {
            "id": row.id,
            "name": row.name,
            "paused": row.paused,
            "online": row.online,
            "last_heartbeat_at": row.last_heartbeat_at,
            "blocked_by": blocked_by_of(row, refuse_withdrawal=self._refuse_withdrawal),
            "key": None
            if row.key_id is None
            else {
                "id": row.key_id,
                "label": row.key_label,
                "exchange": row.key_exchange,
                "environment": row.key_environment,
                "contract_type": row.key_contract_type,
                "active": row.key_active,
            },
            "open_positions": row.open_positions,
            "open_orders": row.open_orders,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
