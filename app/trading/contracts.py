"""What a reported trade earned, by what the exchange says of its contract."""

from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from app.exchanges.model import ContractType
from app.trading.ingest_schemas import TradeItem
from app.trading.pnl import realised_pnl

Columns: TypeAlias = dict[str, Any]


class Contract(NamedTuple):
    """`size` is what one unit of quantity is; P&L is in `settle`."""

    contract_type: ContractType
    size: Decimal
    settle: str


def valued(trade: TradeItem, listed: Contract | None, contract_type: ContractType) -> Columns:
    """The columns of a trade that its report does not decide.

    What the exchange lists comes first. For a symbol that it does not, the bot's own word holds,
    on a contract of its key's `contract_type`; without it nothing is guessed.
    """
    contract = listed
    if contract is None and trade.contract_size is not None and trade.settle is not None:
        contract = Contract(contract_type, trade.contract_size, trade.settle)
    if contract is None:
        unknown = ("contract_size", "settle", "pnl")
        return {"contract_type": contract_type, **dict.fromkeys(unknown)}
    return {
        "contract_type": contract.contract_type,
        "contract_size": contract.size,
        "settle": contract.settle,
        "pnl": realised_pnl(
            contract.contract_type,
            trade.side,
            quantity=trade.quantity,
            entry_price=trade.entry_price,
            exit_price=trade.exit_price,
            contract_size=contract.size,
            fees=trade.fees,
        ),
    }
