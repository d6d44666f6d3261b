"""Turns asset rows into the documents that the API shows."""

from collections.abc import Sequence
from typing import Any

from app.domains.assets.repository import AssetRow
from app.domains.bots.opening_rules import asset_blocked_by
from app.domains.keys.margin_modes import AssetName


def asset_document(row: AssetRow) -> dict[str, Any]:
    """Return the members of `app.domains.assets.schemas.Asset`."""
    reasons = asset_blocked_by(
        enabled=row.enabled,
        delisted=row.catalogue_known and not row.listed,
        leverage=row.leverage,
        max_leverage=row.max_leverage,
    )
    return {
        "symbol": row.symbol,
        "contract_type": row.contract_type,
        "environment": row.environment,
        "exchange": row.exchange,
        "base": row.base,
        "quote": row.quote,
        "settle": row.settle,
        "price": row.price,
        "volume_24h": row.volume_24h,
        "leverage": row.leverage,
        "max_leverage": row.max_leverage,
        "margin_mode": row.margin_mode,
        "margin_modes": row.margin_modes,
        "enabled": row.enabled,
        "listed": row.listed,
        "tick_size": row.tick_size,
        "lot_size": row.lot_size,
        "min_quantity": row.min_quantity,
        "contract_size": row.contract_size,
        "contract_changed_at": row.contract_changed_at,
        "may_open_positions": not reasons,
        "open_positions": row.open_positions,
        "blocked_by": reasons,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def changed_document(row: AssetRow, others: Sequence[AssetName]) -> dict[str, Any]:
    """Return the members of `app.domains.assets.schemas.AssetChanged`."""
    return {**asset_document(row), "also_changed": [name._asdict() for name in others]}
