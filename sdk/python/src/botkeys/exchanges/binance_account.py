"""What Binance's account host (spot) and portfolio margin host answer about a key's account."""

from botkeys.exchanges.binance_futures import EXCHANGE
from botkeys.exchanges.errors import BadPayload
from botkeys.exchanges.model import PermissionAnswer, Permissions
from botkeys.exchanges.parsing import as_answer, as_text, object_of


def parse_restrictions(payload: object) -> tuple[Permissions, bool]:
    """Parse `apiRestrictions`: what a live key may do, and whether it has the right to trade on a
    portfolio margin account.

    That right trades futures on such accounts only, and this call does not show which account it
    is. `tradingAuthorityExpirationTime` ends the right to trade spot and margin, and nothing here.
    """
    flags = object_of(EXCHANGE, payload)
    read, futures = as_answer(flags.get("enableReading")), as_answer(flags.get("enableFutures"))
    withdraw = as_answer(flags.get("enableWithdrawals"))
    ip_restricted = as_answer(flags.get("ipRestrict"))
    if {read, futures, withdraw, ip_restricted} == {PermissionAnswer.UNKNOWN}:
        raise BadPayload(EXCHANGE)
    portfolio = flags.get("enablePortfolioMarginTrading") is True
    trade = futures
    if futures is not PermissionAnswer.YES and portfolio:
        trade = PermissionAnswer.UNKNOWN
    return Permissions(read, trade, withdraw, ip_restricted), portfolio


def parse_exchange_account(payload: object) -> str | None:
    """Parse the spot account's `uid`, which is the same for all parts of the exchange account."""
    return as_text(object_of(EXCHANGE, payload).get("uid"))


def parse_portfolio_account(payload: object) -> PermissionAnswer:
    """Return whether a portfolio margin account may trade: `unknown` where it does not say, as for
    inverse contracts.
    """
    return as_answer(object_of(EXCHANGE, payload).get("canTrade"))
