"""What an exchange lets be set of a symbol: for trading assets, and for positions to be opened."""

from collections.abc import Sequence

from app.domains.assets.errors import LeverageNotSettable, MarginModeNotSupported
from botkeys.exchanges.profile import LeverageKind
from botkeys.exchanges.registry import EXCHANGES


def leverage_settable(exchange: str) -> bool:
    return EXCHANGES[exchange].leverage is LeverageKind.PER_SYMBOL


def require_settable_leverage(exchange: str) -> None:
    """Where leverage follows from size and margin, none can be asked for."""
    if not leverage_settable(exchange):
        raise LeverageNotSettable(EXCHANGES[exchange].name)


def require_margin_mode(wanted: str, offered: Sequence[str]) -> None:
    """`offered` are the symbol's."""
    if wanted not in offered:
        raise MarginModeNotSupported(offered)
