"""What a reported trade earned, given its contract at the exchange."""

from decimal import Decimal
from typing import NamedTuple

from app.domains.ingest.pnl import realised_pnl
from app.domains.ingest.schemas import Trade
from app.domains.trading.directory import Directory, Terms
from app.domains.trading.errors import AmbiguousSymbol
from app.domains.trading.symbols import Listed
from botkeys.decimals import plain
from botkeys.exchanges.model import ContractKind


class Valued(NamedTuple):
    """The columns of a trade that its contract decides, in the order of `TRADES.given`.

    Fees by asset are all in `other_fees` as long as the settle asset is unknown.
    """

    symbol: str
    contract_type: ContractKind | None
    contract_size: Decimal | None
    settle: str | None
    pnl: Decimal | None
    fees: Decimal
    other_fees: str | None


class Contradiction(NamedTuple):
    """Why a trade is refused: it contradicts what is known of its instrument."""

    code: str
    detail: str


UNKNOWN_CONTRACT = "unknown_contract"
CATALOGUE_UNKNOWN = "catalogue_unknown"


def value(trade: Trade, directory: Directory) -> Valued | Contradiction:
    """Return what is stored of the trade's contract, and its P&L. What the exchange lists or listed
    decides, and what the bot states must agree with it.

    For a symbol that no catalogue knows, the bot's own statement counts. Without a whole one the
    P&L stays unknown: what the key trades now says nothing about the trade.
    """
    try:
        listed = directory.find(trade.symbol)
    except AmbiguousSymbol as error:
        return Contradiction(error.code, error.detail)
    if listed is None:
        return _as_stated(trade)
    if not trade.states_contract:
        terms = directory.terms(listed, trade.closed_at)
        return _valued(trade, listed.symbol, listed.contract_type, terms)
    if trade.contract_type not in (None, listed.contract_type):
        return Contradiction(
            "contract_differs",
            f"{listed.symbol} is not {_article(trade.contract_type)} contract at the exchange, but "
            f"{_article(listed.contract_type)} one.",
        )
    stated = _terms(trade, listed, directory)
    if isinstance(stated, Contradiction):
        return stated
    return _valued(trade, listed.symbol, listed.contract_type, stated)


def _as_stated(trade: Trade) -> Valued:
    kind = trade.contract_type
    if kind is None or trade.contract_size is None or trade.settle is None:
        return Valued(trade.symbol, kind, None, None, None, trade.settle_fees, trade.other_fees)
    return _valued(trade, trade.symbol, kind, Terms(trade.contract_size, trade.settle))


def _terms(trade: Trade, listed: Listed, directory: Directory) -> Terms | Contradiction:
    """Return the terms at the time of closing.

    Of a contract that changed while the trade ran, or within a day after it, the bot's own
    statement selects the terms: a change is noticed only with the next refresh.
    """
    expected = directory.terms(listed, trade.closed_at)
    if trade.contract_size in (None, expected.size) and trade.settle in (None, expected.settle):
        return expected
    for terms in directory.terms_during(listed, trade.opened_at, trade.closed_at):
        if trade.contract_size in (None, terms.size) and trade.settle in (None, terms.settle):
            return terms
    if trade.settle not in (None, expected.settle):
        return settle_differs(listed.symbol, expected.settle)
    return Contradiction(
        "contract_size_differs",
        f"A contract of {listed.symbol} has the size {plain(expected.size)} at the exchange. Omit "
        "`contract_size`, and report the quantity in contracts.",
    )


def settle_differs(symbol: str, settle: str) -> Contradiction:
    """Return the refusal of an amount in another asset than the exchange pays in."""
    return Contradiction("settle_differs", f"{symbol} settles in {settle} at the exchange.")


def _valued(trade: Trade, symbol: str, kind: ContractKind, terms: Terms) -> Valued:
    fees, other_fees = trade.fees_settled_in(terms.settle)
    pnl = realised_pnl(
        kind,
        trade.side,
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        contract_size=terms.size,
        fees=fees,
    )
    return Valued(symbol, kind, terms.size, terms.settle, pnl, fees, other_fees)


def _article(kind: ContractKind | None) -> str:
    return f"an {kind}" if kind is ContractKind.INVERSE else f"a {kind}"


UNKNOWN = {
    UNKNOWN_CONTRACT: "Stored without P&L, since the exchange lists no such symbol. Send the trade "
    "again with the same id and with `contract_type`, `contract_size` and `settle`, or with the "
    "exchange's own symbol.",
    CATALOGUE_UNKNOWN: "Stored without P&L, since the exchange's instruments could not be fetched. "
    "Send the trade again later with the same id, or at once with `contract_type`, `contract_size` "
    "and `settle`.",
}
"""Why a trade has no P&L, and what completes it, by code."""
