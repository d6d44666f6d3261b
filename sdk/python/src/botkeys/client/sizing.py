"""What a quantity of a contract is worth, and back: exact, or refused where something is unknown.

With `size` as the exchange states it, one unit of quantity is

    linear    size of the base asset, worth size · price in the quote asset
    inverse   size of the quote asset, which is size / price of the base asset

and a quanto contract has neither: it settles in a third asset.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from botkeys.client.errors import SizeUnknown
from botkeys.exchanges.model import ContractType

PLACES = 18
"""Decimal places that a division is rounded to: finer than any settlement."""

_EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)
_STEP = Decimal(1).scaleb(-PLACES)


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract behind a symbol of the bot's key, as the exchange lists it now.

    `contract_size` is the base amount (linear) or the quote amount (inverse) of one unit of
    quantity; orders are multiples of `lot_size`.
    """

    symbol: str
    contract_type: ContractType
    contract_size: Decimal
    settle: str | None
    lot_size: Decimal | None

    def notional(self, quantity: Decimal, price: Decimal | None = None) -> Decimal:
        """Return the worth of a quantity in the quote asset, exactly.

        An inverse contract needs no price for it: its size is in the quote asset.
        """
        amount = _EXACT.multiply(quantity, self.contract_size)
        if self.contract_type is ContractType.INVERSE:
            return amount
        return _EXACT.multiply(amount, self._price(price))

    def base_amount(self, quantity: Decimal, price: Decimal | None = None) -> Decimal:
        """Return how much of the base asset a quantity is.

        Exact for a linear contract, which needs no price; divided by the price for an inverse one,
        and rounded half to even to 18 decimal places.
        """
        amount = _EXACT.multiply(quantity, self.contract_size)
        if self.contract_type is ContractType.LINEAR:
            return amount
        return _EXACT.quantize(_EXACT.divide(amount, self._price(price)), _STEP)

    def quantity(self, base_amount: Decimal, price: Decimal | None = None) -> Decimal:
        """Return the quantity of an order for an amount of the base asset, rounded down to a lot.

        An inverse contract needs the price.
        """
        if self.lot_size is None:
            raise SizeUnknown(self.symbol, "lot_size_unknown")
        amount = base_amount
        if self.contract_type is ContractType.INVERSE:
            amount = _EXACT.multiply(base_amount, self._price(price))
        lot = _EXACT.multiply(self.contract_size, self.lot_size)
        lots = _EXACT.divide(amount, lot).to_integral_value(ROUND_FLOOR)
        return _EXACT.multiply(lots, self.lot_size)

    def _price(self, price: Decimal | None) -> Decimal:
        if price is None or not price.is_finite() or price <= 0:
            raise SizeUnknown(self.symbol, "price_unknown")
        return price
