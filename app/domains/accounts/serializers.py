"""Turns an account into the document that the API shows."""

from typing import Any
from uuid import UUID

from app.domains.accounts.data_repository import DataCount
from app.domains.accounts.repository import AccountView
from app.domains.trading.counts import KindCounts
from botkeys.exchanges.model import Environment


def account_document(view: AccountView) -> dict[str, Any]:
    """Return the members of `app.domains.accounts.schemas.Account`."""
    row = view.row
    environments = {counted.environment for counted in view.counts}
    return {
        "id": view.account_id,
        "environments_with_data": [name for name in Environment if name in environments],
        "selected_environment": Environment.LIVE if row is None else row.selected_environment,
        "timezone": "UTC" if row is None else row.timezone,
        "closing": row is not None and row.closing_at is not None,
        "data": _by_key(view.counts),
        "created_at": None if row is None else row.created_at,
    }


def _by_key(counts: list[DataCount]) -> list[dict[str, Any]]:
    keys: dict[UUID, dict[str, Any]] = {}
    for row in counts:
        found = keys.setdefault(
            row.key_id,
            {
                "key": {
                    "id": row.key_id,
                    "label": row.label,
                    "exchange": row.exchange,
                    "environment": row.environment,
                    "deleted": row.deleted,
                },
                "counts": dict.fromkeys(KindCounts.model_fields, 0),
            },
        )
        found["counts"][row.kind] = row.number
    return list(keys.values())
