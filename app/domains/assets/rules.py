"""What an exchange lets a caller set on a symbol, for trading assets and for new positions."""

from collections.abc import Sequence

from app.domains.assets.errors import LeverageNotSettable, MarginModeNotSupported
from botkeys.exchanges.registry import EXCHANGES


def leverage_settable(exchange: str, margin_mode: str | None) -> bool:
    """Return whether the exchange has a leverage to set with this margin mode, or with any if it is
    not known.
    """
    modes = EXCHANGES[exchange].leverage_margin_modes
    return bool(modes) if margin_mode is None else margin_mode in modes


def require_settable_leverage(exchange: str, margin_mode: str | None) -> None:
    """Reject a leverage where the exchange derives it from size and margin, be it everywhere or
    with this margin mode.
    """
    if not leverage_settable(exchange, margin_mode):
        profile = EXCHANGES[exchange]
        raise LeverageNotSettable(profile.name, profile.leverage_margin_modes)


def require_margin_mode(wanted: str, offered: Sequence[str]) -> None:
    """Reject a margin mode that is not among those the symbol offers."""
    if wanted not in offered:
        raise MarginModeNotSupported(offered)
