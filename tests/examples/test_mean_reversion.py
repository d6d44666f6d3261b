from decimal import Decimal

import pytest

from examples.mean_reversion import MeanReversion


@pytest.mark.parametrize(("last", "side"), [(90, "long"), (110, "short"), (101, None), (100, None)])
def test_it_enters_against_a_move_away_from_the_mean(last: int, side: str | None) -> None:
    rule = MeanReversion(window=4, threshold=Decimal("0.01"))
    assert [rule.entry(Decimal(100)) for _ in range(4)] == [None] * 4
    assert rule.entry(Decimal(last)) == side


@pytest.mark.parametrize(
    ("side", "price", "held", "why"),
    [
        ("long", 102, 0.0, "target"),
        ("long", 98, 0.0, None),
        ("long", 94, 0.0, "stop"),
        ("short", 98, 0.0, "target"),
        ("short", 106, 0.0, "stop"),
        ("short", 100, 59.9, None),
        ("short", 100, 60.0, "time"),
    ],
)
def test_it_leaves_with_its_gain_its_loss_or_its_time(
    side: str, price: int, held: float, why: str | None
) -> None:
    rule = MeanReversion(target=Decimal("0.02"), stop=Decimal("0.05"), hold=60)
    assert rule.exit(side, Decimal(100), Decimal(price), held) == why
