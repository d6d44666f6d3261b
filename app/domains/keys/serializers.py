"""Turns key rows into the documents that the API shows.

Hot path: built by hand; tests compare the result with the schema.
"""

from collections.abc import Sequence
from typing import Any

from app.domains.keys.rows import KeyRow, blocked_by_of, state_of
from botkeys.exchanges.model import Environment
from botkeys.exchanges.pasted import Adjustment
from botkeys.exchanges.registry import EXCHANGES

# A process of the release before does not clear the code when it verifies a key.
_CODED = frozenset({"unknown", "rejected"})


class KeyDocuments:
    """Makes the documents under the service's policy.

    `refuse_withdrawal`: as for `app.domains.bots.opening_rules`.
    """

    def __init__(self, *, refuse_withdrawal: bool) -> None:
        self._refuse_withdrawal = refuse_withdrawal

    def key(self, row: KeyRow) -> dict[str, Any]:
        """Return the members of `app.domains.keys.schemas.Key`."""
        state = state_of(row, refuse_withdrawal=self._refuse_withdrawal)
        return {
            "id": str(row.id),
            "label": row.label,
            "exchange": row.exchange,
            "environment": row.environment,
            "region": row.region,
            "contract_type": row.contract_type,
            "masked_key": row.masked_key,
            "active": row.active,
            "state": {"word": state.word, "sentence": state.sentence, "since": state.since},
            "bot": assigned_bot(row),
            "blocked_by": blocked_by_of(row, refuse_withdrawal=self._refuse_withdrawal),
            "assets": {"total": row.assets, "enabled": row.enabled_assets},
            "open_positions": row.open_positions,
            "permissions": {
                "read": row.permission_read,
                "trade": row.permission_trade,
                "withdraw": row.permission_withdraw,
                "ip_restricted": row.permission_ip_restricted,
            },
            "expires_at": row.expires_at,
            "verification": {
                "status": row.verification_status,
                "reason": row.verification_reason,
                "possible": row.verification_possible,
                "exchange_code": row.verification_code
                if row.verification_status in _CODED
                else None,
                "checked_at": row.verification_checked_at,
            },
            "last_release": None
            if row.last_release_at is None
            else {"at": row.last_release_at, "from": row.last_release_from},
            "public_key": row.public_key,
            "awaiting_api_key": row.awaiting_api_key,
            "version": row.version,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }

    def stored(self, row: KeyRow, adjusted: Sequence[Adjustment]) -> dict[str, Any]:
        """Return the members of `app.domains.keys.schemas.Key`, `adjusted` among them."""
        if not adjusted:
            return self.key(row)
        changes = [
            {"field": change.field, "change": change.change, "detail": str(change)}
            for change in adjusted
        ]
        return {**self.key(row), "adjusted": changes}

    def pair(self, row: KeyRow) -> dict[str, Any]:
        """Return the members of `app.domains.keys.schemas.KeyPair`."""
        profile = EXCHANGES[row.exchange]
        return {
            "key": self.key(row),
            "public_key": row.public_key,
            "instructions": f"{profile.key_pair_help} Then send that API key alone to "
            f"PUT /v1/keys/{row.id}/credentials.",
            "portal_url": profile.environments[Environment(row.environment)].portal_url,
        }


def assigned_bot(row: KeyRow) -> dict[str, Any] | None:
    """Return the members of `app.domains.keys.schemas.AssignedBot`, if the key has a bot."""
    return None if row.bot_id is None else {"id": str(row.bot_id), "name": row.bot_name}
