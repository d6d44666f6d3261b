"""P&L compared with fractions, which are never rounded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domains.ingest.pnl import PLACES, realised_pnl
from botkeys.exchanges.model import ContractKind

LINEAR, INVERSE = ContractKind.LINEAR, ContractKind.INVERSE
SIDES = st.sampled_from(["long", "short"])


def decimals(*, low: int, places: int = 40) -> st.SearchStrategy[Decimal]:
    """Return decimals with as many digits as a report may have."""
    digits = st.integers(low, 10**60 - 1)
    return st.builds(
        lambda whole, point: Decimal(whole).scaleb(-point), digits, st.integers(0, places)
    )


POSITIVE = decimals(low=1)
ANY = st.builds(lambda value, sign: value * sign, decimals(low=0), st.sampled_from([1, -1]))


def pnl(
    kind: ContractKind,
    side: str,
    quantity: Decimal | str,
    entry: Decimal | str,
    leave: Decimal | str,
    size: Decimal | str = "1",
    fees: Decimal | str = "0",
) -> Decimal:
    return realised_pnl(
        kind,
        side,
        quantity=Decimal(quantity),
        entry_price=Decimal(entry),
        exit_price=Decimal(leave),
        contract_size=Decimal(size),
        fees=Decimal(fees),
    )


@pytest.mark.parametrize(
    ("kind", "side", "quantity", "entry", "leave", "size", "fees", "expected"),
    [
        # Half a bitcoin, bought and sold; then the same with 50 contracts of 0.01 (OKX).
        (LINEAR, "long", "0.5", "97000", "98000", "1", "0", "500"),
        (LINEAR, "short", "50", "97000", "98000", "0.01", "1.25", "-501.25"),
        # A rebate is earned.
        (LINEAR, "long", "1", "100", "100", "1", "-0.5", "0.5"),
        # 10,000 contracts of 1 USD from 50,000 to 55,000: BitMEX's own example, 0.01818182 XBT.
        (INVERSE, "long", "10000", "50000", "55000", "1", "0", "0.018181818181818182"),
        (INVERSE, "short", "10000", "50000", "55000", "1", "0.00001", "-0.018191818181818182"),
        (INVERSE, "short", "1", "100", "80", "100", "0", "0.25"),
    ],
)
def test_pnl_is_what_the_formulas_say(
    kind: ContractKind,
    side: str,
    quantity: str,
    entry: str,
    leave: str,
    size: str,
    fees: str,
    expected: str,
) -> None:
    assert pnl(kind, side, quantity, entry, leave, size, fees) == Decimal(expected)


@given(SIDES, POSITIVE, POSITIVE, POSITIVE, POSITIVE, ANY)
def test_a_linear_result_is_exact(
    side: str, quantity: Decimal, entry: Decimal, leave: Decimal, size: Decimal, fees: Decimal
) -> None:
    sign = 1 if side == "long" else -1
    moved = sign * (Fraction(leave) - Fraction(entry))

    result = pnl(LINEAR, side, quantity, entry, leave, size, fees)

    assert Fraction(result) == moved * Fraction(quantity) * Fraction(size) - Fraction(fees)


@given(SIDES, POSITIVE, POSITIVE, POSITIVE, POSITIVE, ANY)
def test_an_inverse_result_is_right_to_its_last_place(
    side: str, quantity: Decimal, entry: Decimal, leave: Decimal, size: Decimal, fees: Decimal
) -> None:
    sign = 1 if side == "long" else -1
    moved = sign * (1 / Fraction(entry) - 1 / Fraction(leave))
    exact = moved * Fraction(quantity) * Fraction(size) - Fraction(fees)

    result = pnl(INVERSE, side, quantity, entry, leave, size, fees)

    assert abs(Fraction(result) - exact) <= Fraction(1, 2 * 10**PLACES)


@given(st.sampled_from(ContractKind), POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_what_one_side_wins_the_other_loses(
    kind: ContractKind, quantity: Decimal, entry: Decimal, leave: Decimal, size: Decimal
) -> None:
    long = pnl(kind, "long", quantity, entry, leave, size)
    short = pnl(kind, "short", quantity, entry, leave, size)

    assert long.copy_negate() == short
    assert (long > 0) <= (leave > entry)
    assert (long < 0) <= (leave < entry)
    assert pnl(kind, "long", quantity, entry, entry, size) == 0
