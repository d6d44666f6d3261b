"""Fees of trades in other assets than the settle asset: never converted, and no part of P&L."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import orjson
from pydantic import Field

from app.api.schemas import DecimalText, Document
from botkeys.decimals import plain

MOST_ASSETS = 10
"""In how many assets the fees of one trade may be."""


class AssetAmount(Document):
    """What was charged in one asset."""

    asset: Annotated[str, Field(examples=["BNB"])]
    amount: Annotated[
        DecimalText,
        Field(examples=["0.0021"], description="Positive if paid, negative if earned."),
    ]


def stored_text(amounts: Mapping[str, Decimal]) -> str | None:
    """Return the text of what is stored of amounts by asset; `None` if nothing was charged."""
    charged = {asset: plain(amount) for asset, amount in amounts.items() if amount}
    return orjson.dumps(charged).decode() if charged else None


def listed(stored: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Return amounts by asset as the API shows them, in the order of the assets."""
    return [{"asset": asset, "amount": amount} for asset, amount in sorted((stored or {}).items())]
