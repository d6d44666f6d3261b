"""Arithmetic of amounts that never rounds.

Operators of `Decimal` round to the 28 digits of the context of their thread. Amounts may have 60.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)


def added(amount: Decimal, more: Decimal) -> Decimal:
    return EXACT.add(amount, more)


def subtracted(amount: Decimal, less: Decimal) -> Decimal:
    return EXACT.subtract(amount, less)
