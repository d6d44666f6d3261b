"""Instrument rows as the documents that the API shows."""

from decimal import Decimal
from typing import Any

from app.catalogue.instruments import InstrumentRow


def _text(value: Decimal | None) -> str | None:
    """A decimal in plain digits: no exponent, no zeros that say nothing."""
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def instrument_document(row: InstrumentRow) -> dict[str, Any]:
    """The members of `app.catalogue.schemas.Instrument`."""
    return {
        "symbol": row.symbol,
        "base": row.base,
        "quote": row.quote,
        "settle": row.settle,
        "price": _text(row.price),
        "volume_24h": _text(row.volume_24h),
        "max_leverage": _text(row.max_leverage),
        "margin_modes": row.margin_modes,
        "tick_size": _text(row.tick_size),
        "lot_size": _text(row.lot_size),
        "contract_size": _text(row.contract_size),
        # Trading assets do not exist yet, so none is added.
        "added": False,
    }
