"""The rules of whether a bot may open positions: the one place that knows every reason why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from app.domains.bots.config_rows import ConfigRow

_NO = False
_MOST_SITUATIONS = 4096


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


class OpeningFacts(NamedTuple):
    """What the database knows of a bot with its key, or of a key with its bot. Without a key, the
    members after `has_key` have no meaning; a key without a bot is not paused.
    """

    account_closing: bool
    frozen: bool
    paused: bool
    has_key: bool
    key_active: bool
    permission_trade: str
    permission_withdraw: str
    unverified: bool
    verification_status: str
    has_enabled_assets: bool
    catalogue_known: bool


def reasons(conditions: OpeningConditions) -> dict[str, Any]:
    """Return whether each reason holds, in the order of the contract.

    Written so that the members may be columns of a statement as well: it then returns the
    conditions of the same rules in SQL. A column that is null without a key decides nothing there.
    """
    has_key = conditions.has_key
    return {
        "account_closing": conditions.account_closing,
        "frozen": conditions.frozen,
        "bot_paused": conditions.paused,
        "no_key": has_key == _NO,
        "key_inactive": has_key & (conditions.key_active == _NO),
        "key_cannot_trade": has_key & (conditions.key_trades == "no"),
        "withdrawal_permission": has_key & conditions.can_withdraw,
        "unverified": has_key & conditions.unverified,
        "credentials_rejected": has_key & conditions.credentials_rejected,
        "no_trading_assets": has_key & (conditions.enabled_assets == _NO),
        "catalogue_unknown": has_key & (conditions.catalogue_known == _NO),
    }


def blocked_by(conditions: OpeningConditions) -> list[str]:
    """Return every reason, in the order of the contract; empty if the bot may open positions.

    No reason affects positions that are already open.
    """
    return [reason for reason, holds in reasons(conditions).items() if holds]


def conditions_of(facts: Any, *, refuse_withdrawal: bool) -> OpeningConditions:
    """Return the conditions that follow from `OpeningFacts`, or from columns of the same names.

    `refuse_withdrawal`: whether a key blocks that can withdraw, or of which nobody has found out
    although its exchange says so (policy `reject`). An `unknown` answer itself blocks nothing.
    """
    return OpeningConditions(
        account_closing=facts.account_closing,
        frozen=facts.frozen,
        paused=facts.paused,
        has_key=facts.has_key,
        key_active=facts.key_active,
        key_trades=facts.permission_trade,
        can_withdraw=(facts.permission_withdraw == "yes") & refuse_withdrawal,
        unverified=facts.unverified & refuse_withdrawal,
        credentials_rejected=facts.verification_status == "rejected",
        enabled_assets=facts.has_enabled_assets,
        catalogue_known=facts.catalogue_known,
    )


@lru_cache(maxsize=_MOST_SITUATIONS)
def facts_blocked_by(facts: OpeningFacts, *, refuse_withdrawal: bool) -> tuple[str, ...]:
    """Return every reason for these facts. Lists have few different ones in many rows."""
    return tuple(blocked_by(conditions_of(facts, refuse_withdrawal=refuse_withdrawal)))


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
    """Return why a bot may not open positions at all, from its config rows."""
    first = rows[0]
    facts = OpeningFacts(
        account_closing=first.account_closing,
        frozen=first.frozen,
        paused=first.paused,
        has_key=first.key_id is not None,
        key_active=bool(first.active),
        permission_trade=first.permission_trade,
        permission_withdraw=first.permission_withdraw,
        unverified=bool(first.unverified),
        verification_status=first.verification_status,
        has_enabled_assets=any(row.enabled for row in rows),
        catalogue_known=first.catalogue_known,
    )
    return list(facts_blocked_by(facts, refuse_withdrawal=refuse_withdrawal))


def row_blocked_by(row: ConfigRow) -> list[str]:
    """Return why no position may be opened on the asset of a config row."""
    return asset_blocked_by(
        enabled=row.enabled,
        delisted=row.delisted,
        leverage=row.leverage,
        max_leverage=row.max_leverage,
    )
