"""What a round trip earned, in the asset that the contract settles in.

With d = +1 for a long and -1 for a short position, and the contract size as the exchange states it:

    linear    d · (exit - entry) · quantity · size            size in the base asset
    inverse   d · quantity · size · (1/entry - 1/exit)        size in the quote asset

minus fees (positive: paid; negative: a rebate). These are the exchanges' own definitions of linear
(settled in the quote asset) and inverse (settled in the base asset) perpetual contracts; see
docs/exchanges.md for their contract sizes.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from botkeys.exchanges.model import ContractType

PLACES = 18
"""Decimal places that an inverse result is rounded to: finer than any settlement."""

_EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)
_STEP = Decimal(1).scaleb(-PLACES)


def realised_pnl(
    contract_type: ContractType,
    side: str,
    *,
    quantity: Decimal,
    entry_price: Decimal,
    exit_price: Decimal,
    contract_size: Decimal,
    fees: Decimal,
) -> Decimal:
    """Return the P&L net of fees. A linear result is exact; an inverse one is divided once, at the
    end.

    `side` is `long` or `short`; prices are positive. A price of zero, which the schemas reject,
    raises `decimal.DivisionByZero` or `decimal.InvalidOperation`.
    """
    size = _EXACT.multiply(quantity, contract_size)
    moved = _EXACT.subtract(exit_price, entry_price)
    if side == "short":
        # The minus operator would round to the precision of the thread's own context.
        moved = moved.copy_negate()
    gross = _EXACT.multiply(moved, size)
    if contract_type is ContractType.INVERSE:
        # 1/entry - 1/exit is (exit - entry) / (entry · exit).
        gross = _EXACT.divide(gross, _EXACT.multiply(entry_price, exit_price))
        gross = _EXACT.quantize(gross, _STEP)
    return _EXACT.subtract(gross, fees)
