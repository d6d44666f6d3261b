"""What a reported trade earned, given its contract at the exchange."""

from decimal import Decimal
from typing import NamedTuple

from app.domains.ingest.pnl import realised_pnl
from app.domains.ingest.schemas import TradeItem
from app.domains.trading.contracts import Contract
from botkeys.exchanges.model import ContractType


class Valued(NamedTuple):
    """The columns of a trade that its report does not contain, in the order of `TRADES.given`."""

    contract_type: ContractType
    contract_size: Decimal | None
    settle: str | None
    pnl: Decimal | None


def valued(trade: TradeItem, listed: Contract | None, contract_type: ContractType) -> Valued:
    """Return the trade's contract and P&L. What the exchange lists takes precedence.

    For an unlisted symbol, the bot's own statement counts, for a contract of its key's
    `contract_type`. Without that, the P&L stays unknown.
    """
    contract = listed
    if contract is None and trade.contract_size is not None and trade.settle is not None:
        contract = Contract(contract_type, trade.contract_size, trade.settle)
    if contract is None:
        return Valued(contract_type, None, None, None)
    pnl = realised_pnl(
        contract.contract_type,
        trade.side,
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        contract_size=contract.size,
        fees=trade.fees,
    )
    return Valued(contract.contract_type, contract.size, contract.settle, pnl)
