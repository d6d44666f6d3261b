"""May this bot open positions? The one place that knows every reason why not."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Situation:
    """What the answer depends on. `has_key` false leaves the members after it without meaning."""

    account_closing: bool
    frozen: bool
    paused: bool
    has_key: bool
    key_active: bool
    key_trades: str
    credentials_rejected: bool
    enabled_assets: int
    catalogue_known: bool


def blocked_by(situation: Situation) -> list[str]:
    """Every reason, in the order of the contract; empty where the bot may open positions.

    None of these touches positions that are open already.
    """
    reasons = {
        "account_closing": situation.account_closing,
        "frozen": situation.frozen,
        "bot_paused": situation.paused,
        "no_key": not situation.has_key,
        "key_inactive": situation.has_key and not situation.key_active,
        "key_cannot_trade": situation.has_key and situation.key_trades == "no",
        "credentials_rejected": situation.has_key and situation.credentials_rejected,
        "no_trading_assets": situation.has_key and not situation.enabled_assets,
        "catalogue_unknown": situation.has_key and not situation.catalogue_known,
    }
    return [reason for reason, holds in reasons.items() if holds]


def asset_blocked_by(
    *, enabled: bool, delisted: bool, leverage: Decimal | None, max_leverage: Decimal | None
) -> list[str]:
    """Why no position may be opened on one asset; an unknown maximum blocks nothing."""
    reasons = {
        "asset_disabled": not enabled,
        "asset_delisted": delisted,
        "leverage_above_max": leverage is not None
        and max_leverage is not None
        and leverage > max_leverage,
    }
    return [reason for reason, holds in reasons.items() if holds]
