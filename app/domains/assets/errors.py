"""Refusals that concern trading assets.

AppError
├── AssetAlreadyAdded         409 asset_already_added
├── AssetQuotaReached         409 asset_quota_reached, with `limit`
├── MarginModeDiffers         409 margin_mode_differs, with `margin_mode`
├── CatalogueUnknown          409 catalogue_unknown, with `reason`
├── PositionOpen              409 position_open, with `count`
├── OpenOrders
│   ├── AccountHasOrders      409 open_orders, with `count`
│   └── SymbolHasOrders       409 open_orders, with `count`
├── LeverageAboveMax          422 leverage_above_max, with `max_leverage`
├── LeverageNotSettable       422 leverage_not_settable
├── MarginModeNotSupported    422 margin_mode_not_supported, with `margin_modes`
└── UnknownSymbol             422 unknown_symbol
"""

from collections.abc import Sequence
from decimal import Decimal

from app.domains.trading.errors import OpenOrders
from app.errors import AppError
from botkeys.decimals import plain


class AssetAlreadyAdded(AppError):
    status = 409
    code = "asset_already_added"
    title = "The symbol is already a trading asset of the key"
    detail = (
        "The symbol is already one of the key's trading assets. Change that asset instead of "
        "adding it again."
    )


class MarginModeDiffers(AppError):
    """`margin_mode` is the one of the exchange account."""

    status = 409
    code = "margin_mode_differs"
    title = "The exchange account has another margin mode"
    member_names = ("margin_mode",)

    def __init__(self, name: str, margin_mode: str) -> None:
        super().__init__(
            f"On {name}, all symbols of an account have one margin mode, and here that is "
            f"{margin_mode}. Omit `margin_mode`, or change it first: a change of one trading asset "
            "changes them all.",
            margin_mode=margin_mode,
        )


class CatalogueUnknown(AppError):
    """`reason` is why the last attempt to fetch the instruments failed."""

    status = 409
    code = "catalogue_unknown"
    title = "The key's instruments are not known yet"
    member_names = ("reason",)

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The instruments of {name} have not been fetched yet, so symbols cannot be checked. "
            "Try again in a minute, or refresh the key's instruments to see the cause.",
            reason=reason,
        )


class PositionOpen(AppError):
    status = 409
    code = "position_open"
    title = "A position is open on this symbol"
    member_names = ("count",)

    def __init__(self, count: int, *, anywhere: bool = False) -> None:
        """`anywhere`: whether positions on all symbols of the exchange account were counted."""
        positions = "A position is" if count == 1 else f"{count} positions are"
        if anywhere:
            super().__init__(
                f"{positions} open with a key of this exchange account, which has one margin mode "
                "for all symbols. Meanwhile it cannot change.",
                count=count,
            )
            return
        super().__init__(
            f"{positions} open on this symbol. Meanwhile the asset cannot be removed and its "
            "margin mode cannot change. Disable the asset to stop new positions.",
            count=count,
        )


class AccountHasOrders(OpenOrders):
    """The refusal to change the one margin mode of an exchange account while orders rest in it."""

    sentence = (
        "{count} {noun} at the exchange, whose account has one margin mode for all symbols. Cancel "
        "them first."
    )


class SymbolHasOrders(OpenOrders):
    """The refusal to remove an asset, or to change its margin mode, while orders rest on it."""

    sentence = (
        "{count} {noun} on this symbol at the exchange. Meanwhile the asset cannot be removed and "
        "its margin mode cannot change. Cancel them first."
    )


class LeverageAboveMax(AppError):
    """`max_leverage` is a decimal as text."""

    status = 422
    code = "leverage_above_max"
    title = "The leverage is above the exchange's maximum"
    member_names = ("max_leverage",)

    def __init__(self, maximum: Decimal) -> None:
        text = plain(maximum)
        super().__init__(
            f"The exchange allows a leverage of at most {text} on this symbol.", max_leverage=text
        )


class LeverageNotSettable(AppError):
    status = 422
    code = "leverage_not_settable"
    title = "Leverage cannot be set here"

    def __init__(self, name: str, modes: Sequence[str]) -> None:
        """`modes`: the margin modes with which the exchange has a leverage to set."""
        where = f"On {name}" if not modes else f"On {name}, except with {' or '.join(modes)} margin"
        super().__init__(
            f"{where}, leverage follows from position size and margin. Omit `leverage`."
        )


class MarginModeNotSupported(AppError):
    status = 422
    code = "margin_mode_not_supported"
    title = "The symbol does not support this margin mode"
    member_names = ("margin_modes",)

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__(
            f"On this symbol, the margin mode can be {' or '.join(offered)}.",
            margin_modes=list(offered),
        )


class UnknownSymbol(AppError):
    status = 422
    code = "unknown_symbol"
    title = "The exchange does not list this symbol"

    def __init__(self, name: str, environment: str, contract_type: str) -> None:
        super().__init__(
            f"{name} lists no {contract_type} perpetual with this symbol ({environment}). Use a "
            "symbol of the key's instruments, in the same spelling."
        )


class AssetQuotaReached(AppError):
    """`limit` is how many assets of a key there may be."""

    status = 409
    code = "asset_quota_reached"
    title = "The key has as many trading assets as it may have"
    member_names = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"A key has at most {limit} trading assets. Remove one that is no longer used.",
            limit=limit,
        )
