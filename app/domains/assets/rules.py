"""What an exchange lets a caller set on a symbol, for trading assets and for new positions."""

from collections.abc import Sequence

from app.domains.assets.errors import LeverageNotSettable, MarginModeNotSupported
from botkeys.exchanges.model import LeverageKind
from botkeys.exchanges.registry import EXCHANGES


def leverage_settable(exchange: str) -> bool:
    return EXCHANGES[exchange].leverage is LeverageKind.PER_SYMBOL


def require_settable_leverage(exchange: str) -> None:
    """Reject a leverage where the exchange derives it from size and margin."""
    if not leverage_settable(exchange):
        raise LeverageNotSettable(EXCHANGES[exchange].name)


def require_margin_mode(wanted: str, offered: Sequence[str]) -> None:
    """Reject a margin mode that is not among those the symbol offers."""
    if wanted not in offered:
        raise MarginModeNotSupported(offered)
