"""What a round trip earned, in the asset that the contract settles in.

With d = +1 for a long and -1 for a short position, and the contract size as the exchange states it:

    linear    d · (exit - entry) · quantity · size            size in the base asset
    inverse   d · quantity · size · (1/entry - 1/exit)        size in the quote asset
    quanto    d · (exit - entry) · quantity · size            size in the settle asset

minus fees (positive: paid; negative: a rebate). These are the exchanges' own definitions of linear
(settled in the quote asset) and inverse (settled in the base asset) contracts; see
docs/exchanges.md for their contract sizes.

A quanto contract is priced in one pair and settles in a third asset, at a rate that is fixed by its
*multiplier*: what one contract pays in the settle asset for a change of the price by one. That is
its size here. The formula is BitMEX's ("Quanto Futures": multiplier · (exit price - entry price) ·
contracts; its ETHUSD paid 0.000001 XBT per contract and dollar). BitMEX listed the multiplier in
units of 10^-8 XBT.
"""

from decimal import Decimal

from app.kit.exact import EXACT
from botkeys.exchanges.model import ContractKind

PLACES = 18
"""Decimal places that an inverse result is rounded to: finer than any settlement."""

_STEP = Decimal(1).scaleb(-PLACES)
_multiply, _subtract = EXACT.multiply, EXACT.subtract


def realised_pnl(
    contract_type: ContractKind,
    side: str,
    *,
    quantity: Decimal,
    entry_price: Decimal,
    exit_price: Decimal,
    contract_size: Decimal,
    fees: Decimal,
) -> Decimal:
    """Return the P&L net of fees. It is exact, except that an inverse one is divided once, at the
    end.

    `side` is `long` or `short`; prices are positive. A price of zero, which the schemas reject,
    raises `decimal.DivisionByZero` or `decimal.InvalidOperation`.
    """
    size = _multiply(quantity, contract_size)
    moved = _subtract(exit_price, entry_price)
    if side == "short":
        # The minus operator would round to the precision of the thread's own context.
        moved = moved.copy_negate()
    gross = _multiply(moved, size)
    if contract_type is ContractKind.INVERSE:
        # 1/entry - 1/exit is (exit - entry) / (entry · exit).
        gross = EXACT.divide(gross, _multiply(entry_price, exit_price))
        gross = EXACT.quantize(gross, _STEP)
    return _subtract(gross, fees)
