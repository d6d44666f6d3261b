"""Refusals that concern positions, with a class for each reason to refuse an opening.

AppError
├── PositionConflict                  409 position_conflict, with `symbol` and `side`
├── PositionAmbiguous                 409 position_ambiguous, with `bots`
├── LeverageNotSettable               422 leverage_not_settable (`app.domains.assets.errors`)
├── MarginModeNotSupported            422 margin_mode_not_supported (`app.domains.assets.errors`)
└── OpeningRefused                    409, with `blocked_by`: all reasons, in order
    ├── AccountClosing                account_closing
    ├── Frozen                        frozen
    ├── BotPaused                     bot_paused
    ├── BotHasNoKey                   no_key
    ├── KeyIsInactive                 key_inactive
    ├── KeyCannotTrade                key_cannot_trade
    ├── KeyWasRejected                credentials_rejected
    ├── NoTradingAssets               no_trading_assets
    ├── CatalogueUnknown              catalogue_unknown
    ├── UnknownAsset                  unknown_asset
    ├── AssetDisabled                 asset_disabled
    ├── AssetDelisted                 asset_delisted
    └── LeverageAboveMaximum          leverage_above_max
"""

from collections.abc import Sequence
from typing import Any

from app.errors import AppError


class PositionConflict(AppError):
    """`symbol` and `side` belong to the stored position."""

    status = 409
    code = "position_conflict"
    title = "This id belongs to another position"
    member_names = ("symbol", "side")
    detail = (
        "The bot has used this id for another symbol, side or contract type. Give each position "
        "an id of its own."
    )

    def __init__(self, symbol: str, side: str) -> None:
        super().__init__(symbol=symbol, side=side)


class PositionAmbiguous(AppError):
    """`bots` is a list of `{id, name}`."""

    status = 409
    code = "position_ambiguous"
    title = "Several bots hold a position of this id"
    member_names = ("bots",)
    detail = "Say whose position is meant: name one of `bots` in the query, as `bot_id`."

    def __init__(self, bots: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(bots=list(bots))


class OpeningRefused(AppError):
    """The base of refusals to open a position. Positions that are already open are unaffected."""

    status = 409
    member_names = ("blocked_by",)


class AccountClosing(OpeningRefused):
    code = "account_closing"
    title = "The account is being closed"
    detail = "The account is being closed: no new positions. Close the open ones."


class Frozen(OpeningRefused):
    code = "frozen"
    title = "New positions are frozen"
    detail = "A freeze of the account, the exchange or the key stops new positions. Lift it first."


class BotPaused(OpeningRefused):
    code = "bot_paused"
    title = "The bot is paused"
    detail = "A paused bot opens no new positions. Resume it first."


class BotHasNoKey(OpeningRefused):
    code = "no_key"
    title = "The bot has no key"
    detail = "No key is assigned to this bot. Assign one to it first."


class KeyIsInactive(OpeningRefused):
    code = "key_inactive"
    title = "The key is not active"
    detail = "The bot's key was deactivated: it opens no new positions. Activate it first."


class KeyCannotTrade(OpeningRefused):
    code = "key_cannot_trade"
    title = "The key may not trade"
    detail = (
        "The exchange says that this key may only read. Allow it to trade there, or replace it."
    )


class KeyWasRejected(OpeningRefused):
    code = "credentials_rejected"
    title = "The exchange refuses the key"
    detail = "The exchange refused the bot's credentials at the last look. Replace them first."


class NoTradingAssets(OpeningRefused):
    code = "no_trading_assets"
    title = "The key has no trading assets"
    detail = "Add the instruments that the bot may trade to its key, and enable them."


class CatalogueUnknown(OpeningRefused):
    code = "catalogue_unknown"
    title = "The exchange's instruments are not known yet"
    detail = "The list of instruments was never fetched. It will be shortly; try again then."


class UnknownAsset(OpeningRefused):
    code = "unknown_asset"
    title = "The symbol is not among the key's assets"
    detail = "Add the symbol to the trading assets of the bot's key first."


class AssetDisabled(OpeningRefused):
    code = "asset_disabled"
    title = "The asset is disabled"
    detail = "This trading asset was disabled: no new positions on it. Enable it first."


class AssetDelisted(OpeningRefused):
    code = "asset_delisted"
    title = "The instrument is not listed any more"
    detail = "The exchange does not list this symbol any more. Open positions can still be closed."


class LeverageAboveMaximum(OpeningRefused):
    code = "leverage_above_max"
    title = "The leverage is above the maximum"
    detail = "The leverage is more than the exchange now allows for this symbol. Lower it first."


REFUSALS: dict[str, type[AppError]] = {
    kind.code: kind
    for kind in (
        AccountClosing,
        Frozen,
        BotPaused,
        BotHasNoKey,
        KeyIsInactive,
        KeyCannotTrade,
        KeyWasRejected,
        NoTradingAssets,
        CatalogueUnknown,
        UnknownAsset,
        AssetDisabled,
        AssetDelisted,
        LeverageAboveMaximum,
    )
}
"""The refusals by code, in the order in which reasons are listed."""


def refused(reasons: Sequence[str]) -> AppError:
    """Return the problem of the first reason, with all reasons."""
    return REFUSALS[reasons[0]](blocked_by=list(reasons))
