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
    ├── KeyCanWithdraw                withdrawal_permission
    ├── KeyIsUnverified               unverified
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
    title = "The id belongs to another position"
    member_names = ("symbol", "side")
    detail = (
        "The bot already used this id for another symbol, side or contract type. Give each "
        "position its own id."
    )

    def __init__(self, symbol: str, side: str) -> None:
        super().__init__(symbol=symbol, side=side)


class PositionAmbiguous(AppError):
    """`bots` is a list of `{id, name}`."""

    status = 409
    code = "position_ambiguous"
    title = "Several bots hold a position with this id"
    member_names = ("bots",)
    detail = (
        "Name the bot that holds the position: send the id of one of `bots` as the query parameter "
        "`bot_id`."
    )

    def __init__(self, bots: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(bots=list(bots))


class OpeningRefused(AppError):
    """The base of refusals to open a position. Positions that are already open are unaffected."""

    status = 409
    member_names = ("blocked_by",)


class AccountClosing(OpeningRefused):
    code = "account_closing"
    title = "The account is being closed"
    detail = (
        "No new position can be opened while the account is being closed. Close the open positions."
    )


class Frozen(OpeningRefused):
    code = "frozen"
    title = "New positions are frozen"
    detail = (
        "A freeze of the account, the exchange or the key stops new positions. Lift the freeze "
        "first."
    )


class BotPaused(OpeningRefused):
    code = "bot_paused"
    title = "The bot is paused"
    detail = "A paused bot opens no new positions. Resume the bot first."


class BotHasNoKey(OpeningRefused):
    code = "no_key"
    title = "The bot has no key"
    detail = "No key is assigned to this bot. Assign a key first."


class KeyIsInactive(OpeningRefused):
    code = "key_inactive"
    title = "The key is not active"
    detail = "The bot's key is deactivated and opens no new positions. Activate the key first."


class KeyCannotTrade(OpeningRefused):
    code = "key_cannot_trade"
    title = "The key has no trading permission"
    detail = (
        "According to the exchange, the key may not trade. Allow trading at the exchange, or "
        "replace the key."
    )


class KeyCanWithdraw(OpeningRefused):
    code = "withdrawal_permission"
    title = "The key can withdraw funds"
    detail = (
        "According to the exchange, the key may withdraw funds. Remove that permission at the "
        "exchange and let the bot report it, or replace the key."
    )


class KeyIsUnverified(OpeningRefused):
    code = "unverified"
    title = "The key has not been verified"
    detail = (
        "The key was added without asking the exchange whether it can withdraw funds. Replace its "
        "credentials with `verify: true`, or let the bot report the key's permissions."
    )


class KeyWasRejected(OpeningRefused):
    code = "credentials_rejected"
    title = "The exchange rejects the key"
    detail = (
        "The exchange rejected the bot's credentials at the latest check. Replace the credentials "
        "first."
    )


class NoTradingAssets(OpeningRefused):
    code = "no_trading_assets"
    title = "The key has no trading assets"
    detail = "Add the instruments that the bot may trade to its key, and enable them."


class CatalogueUnknown(OpeningRefused):
    code = "catalogue_unknown"
    title = "The exchange's instruments are not known yet"
    detail = "The list of instruments has not been fetched yet. Try again shortly."


class UnknownAsset(OpeningRefused):
    code = "unknown_asset"
    title = "The symbol is not a trading asset of the key"
    detail = "Add the symbol to the trading assets of the bot's key first."


class AssetDisabled(OpeningRefused):
    code = "asset_disabled"
    title = "The asset is disabled"
    detail = "A disabled trading asset opens no new positions. Enable the asset first."


class AssetDelisted(OpeningRefused):
    code = "asset_delisted"
    title = "The instrument is no longer listed"
    detail = "The exchange no longer lists this symbol. Open positions can still be closed."


class LeverageAboveMaximum(OpeningRefused):
    code = "leverage_above_max"
    title = "The leverage is above the maximum"
    detail = (
        "The leverage is higher than the exchange now allows for this symbol. Lower the leverage "
        "first."
    )


REFUSALS: dict[str, type[AppError]] = {
    kind.code: kind
    for kind in (
        AccountClosing,
        Frozen,
        BotPaused,
        BotHasNoKey,
        KeyIsInactive,
        KeyCannotTrade,
        KeyCanWithdraw,
        KeyIsUnverified,
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
