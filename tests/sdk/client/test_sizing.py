"""What quantities of contracts are worth, by the formulas of docs/analytics.md."""

from decimal import Decimal
from typing import Any

import pytest

from botkeys.client import BotConfig, Contract, ContractType, Position, SizeUnknown

KEY = "0195b1c0-0000-7000-8000-0000000000aa"


def config(contract_type: str = "linear", **asset: Any) -> BotConfig:
    return BotConfig.model_validate(
        {
            "version": 1,
            "may_open_positions": True,
            "key": {
                "id": KEY,
                "exchange": "okx",
                "environment": "testnet",
                "contract_type": contract_type,
                "version": 1,
            },
            "assets": [
                {
                    "symbol": "BTC-USDT-SWAP",
                    "contract_size": "0.01",
                    "lot_size": "0.1",
                    "settle": "USDT",
                    **asset,
                }
            ],
        }
    )


def position(quantity: str, entry_price: str | None, **members: Any) -> Position:
    return Position.model_validate(
        {
            "symbol": "BTC-USDT-SWAP",
            "side": "long",
            "quantity": quantity,
            "entry_price": entry_price,
            **members,
        }
    )


def test_a_linear_position_is_its_base_amount_times_the_price() -> None:
    held = position("12.5", "50000.3")
    assert held.base_amount(config()) == Decimal("0.125")
    assert held.notional(config()) == Decimal("6250.0375")
    assert held.notional(config(), Decimal(60_000)) == 7_500


def test_an_inverse_position_has_a_worth_that_no_price_changes() -> None:
    held = position("7", "30000")
    inverse = config("inverse", contract_size="100", settle="BTC")
    assert held.notional(inverse) == held.notional(inverse, Decimal(1)) == 700
    assert held.base_amount(inverse) == Decimal("0.023333333333333333")
    assert held.base_amount(inverse, Decimal(35_000)) == Decimal("0.02")


@pytest.mark.parametrize("kind", ContractType)
def test_the_difference_of_two_worths_is_the_pnl_of_the_analytics(kind: ContractType) -> None:
    """d·(exit - entry)·quantity·size, or d·quantity·size·(1/entry - 1/exit)."""
    entry, left, quantity = Decimal(20_000), Decimal(25_000), Decimal(40)
    if kind is ContractType.LINEAR:
        contract = config().contract("BTC-USDT-SWAP")
        pnl = contract.notional(quantity, left) - contract.notional(quantity, entry)
        assert pnl == 2_000
    else:
        contract = config("inverse", contract_size="100").contract("BTC-USDT-SWAP")
        pnl = contract.base_amount(quantity, entry) - contract.base_amount(quantity, left)
        assert pnl == Decimal("0.04")


def test_nothing_is_rounded_by_the_precision_of_the_thread() -> None:
    contract = Contract("X", ContractType.LINEAR, Decimal("1e-18"), "USDT", None)
    long = Decimal("12345678901234567890.12345678901234567891")
    assert contract.base_amount(long) == Decimal("12.34567890123456789012345678901234567891")
    assert contract.notional(long, Decimal(3)) == Decimal(
        "37.03703670370370367037037036703703703673"
    )


@pytest.mark.parametrize(
    ("kind", "size", "base_amount", "price", "quantity"),
    [
        ("linear", "0.01", "0.125", None, "12.5"),
        ("linear", "0.01", "0.12599", None, "12.5"),
        ("linear", "0.01", "0.0009", None, "0"),
        ("inverse", "100", "0.5", "30000", "150"),
        ("inverse", "100", "0.0333333", "30000", "9.9"),
    ],
)
def test_an_order_is_rounded_down_to_a_lot(
    kind: str, size: str, base_amount: str, price: str | None, quantity: str
) -> None:
    contract = config(kind, contract_size=size).contract("BTC-USDT-SWAP")
    at = None if price is None else Decimal(price)
    assert contract.quantity(Decimal(base_amount), at) == Decimal(quantity)


@pytest.mark.parametrize(
    ("made", "held", "reason"),
    [
        (config(contract_size=None), position("1", "1"), "contract_size_unknown"),
        (config("quanto"), position("1", "1"), "contract_type_unknown"),
        (config(symbol="ETH-USDT-SWAP"), position("1", "1"), "symbol_not_enabled"),
        (config().model_copy(update={"key": None}), position("1", "1"), "no_key"),
        (config(), position("1", None), "price_unknown"),
        (
            config(),
            position("1", "1", key={"id": "0195b1c0-0000-7000-8000-0000000000bb"}),
            "other_key",
        ),
        (
            config(contract_changed_at="2026-11-20T00:00:00Z"),
            position("1", "1", opened_at="2026-11-19T00:00:00Z"),
            "contract_changed",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_the_reason(
    made: BotConfig, held: Position, reason: str
) -> None:
    with pytest.raises(SizeUnknown, match=reason) as refused:
        held.notional(made)
    assert refused.value.reason == reason
    assert refused.value.code == "size_unknown"


def test_a_quantity_needs_a_lot_and_a_price_above_zero() -> None:
    with pytest.raises(SizeUnknown, match="lot_size_unknown"):
        config(lot_size=None).contract("btc-usdt-swap").quantity(Decimal(1))
    for price in (Decimal(0), Decimal("NaN"), Decimal(-1), None):
        with pytest.raises(SizeUnknown, match="price_unknown"):
            config("inverse").contract("BTC-USDT-SWAP").quantity(Decimal(1), price)
        with pytest.raises(SizeUnknown, match="price_unknown"):
            config().contract("BTC-USDT-SWAP").notional(Decimal(1), price)


def test_a_position_opened_after_the_contract_changed_is_of_the_new_one() -> None:
    changed = config(contract_changed_at="2026-11-20T00:00:00Z")
    assert position("1", "10", opened_at="2026-11-21T00:00:00Z").notional(changed) == Decimal("0.1")
