"""Turns instrument rows into the documents that the API shows."""

from typing import Any

from app.domains.catalogue.instrument_repository import InstrumentRow


def instrument_document(row: InstrumentRow) -> dict[str, Any]:
    """Return the members of `app.domains.catalogue.schemas.Instrument`."""
    return {
        "symbol": row.symbol,
        "base": row.base,
        "quote": row.quote,
        "settle": row.settle,
        "price": row.price,
        "volume_24h": row.volume_24h,
        "max_leverage": row.max_leverage,
        "margin_modes": row.margin_modes,
        "tick_size": row.tick_size,
        "lot_size": row.lot_size,
        "contract_size": row.contract_size,
        "expires_at": row.expires_at,
        "added": row.added,
    }
