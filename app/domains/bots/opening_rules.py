"""The rules of whether a bot may open positions: the one place that knows every reason why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domains.bots.config_rows import ConfigRow


@dataclass(frozen=True, slots=True)
class OpeningConditions:
    """The facts that decide. If `has_key` is false, the members after it have no meaning."""

    account_closing: bool
    frozen: bool
    paused: bool
    has_key: bool
    key_active: bool
    key_trades: str
    can_withdraw: bool
    unverified: bool
    credentials_rejected: bool
    enabled_assets: int
    catalogue_known: bool


def blocked_by(conditions: OpeningConditions) -> list[str]:
    """Return every reason, in the order of the contract; empty if the bot may open positions.

    No reason affects positions that are already open.
    """
    reasons = {
        "account_closing": conditions.account_closing,
        "frozen": conditions.frozen,
        "bot_paused": conditions.paused,
        "no_key": not conditions.has_key,
        "key_inactive": conditions.has_key and not conditions.key_active,
        "key_cannot_trade": conditions.has_key and conditions.key_trades == "no",
        "withdrawal_permission": conditions.has_key and conditions.can_withdraw,
        "unverified": conditions.has_key and conditions.unverified,
        "credentials_rejected": conditions.has_key and conditions.credentials_rejected,
        "no_trading_assets": conditions.has_key and not conditions.enabled_assets,
        "catalogue_unknown": conditions.has_key and not conditions.catalogue_known,
    }
    return [reason for reason, holds in reasons.items() if holds]


def asset_blocked_by(
    *, enabled: bool, delisted: bool, leverage: Decimal | None, max_leverage: Decimal | None
) -> list[str]:
    """Return why no position may be opened on an asset; an unknown maximum blocks nothing."""
    reasons = {
        "asset_disabled": not enabled,
        "asset_delisted": delisted,
        "leverage_above_max": leverage is not None
        and max_leverage is not None
        and leverage > max_leverage,
    }
    return [reason for reason, holds in reasons.items() if holds]


def bot_blocked_by(rows: Sequence[ConfigRow], *, refuse_withdrawal: bool) -> list[str]:
    """Return why a bot may not open positions at all, from its config rows.

    `refuse_withdrawal`: whether a key blocks that can withdraw, or of which nobody has found out
    although its exchange says so (policy `reject`). An `unknown` answer itself blocks nothing.
    """
    first = rows[0]
    return blocked_by(
        OpeningConditions(
            account_closing=first.account_closing,
            frozen=first.frozen,
            paused=first.paused,
            has_key=first.key_id is not None,
            key_active=first.active,
            key_trades=first.permission_trade,
            can_withdraw=refuse_withdrawal and first.permission_withdraw == "yes",
            unverified=refuse_withdrawal and first.unverified,
            credentials_rejected=first.verification_status == "rejected",
            enabled_assets=sum(1 for row in rows if row.enabled),
            catalogue_known=first.catalogue_known,
        )
    )


def row_blocked_by(row: ConfigRow) -> list[str]:
    """Return why no position may be opened on the asset of a config row."""
    return asset_blocked_by(
        enabled=row.enabled,
        delisted=row.delisted,
        leverage=row.leverage,
        max_leverage=row.max_leverage,
    )
