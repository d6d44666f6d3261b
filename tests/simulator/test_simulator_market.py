"""Prices of the simulated world: moving, and the same for every observer."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulator.market import Market, assets, lot, text, tick

AT = 1_795_000_000.0


def market(seed: str = "seed", venue: str = "binance live") -> Market:
    return Market(seed, venue, share=0.3)


def test_the_same_moment_of_the_same_seed_shows_the_same_price() -> None:
    for asset in assets(50):
        size = tick(asset.price)
        assert market().quote(asset, AT, size) == market().quote(asset, AT, size)


def test_a_second_later_the_price_is_another() -> None:
    (btc,) = assets(1)
    prices = [market().quote(btc, AT + second, Decimal("0.1")).last for second in range(60)]
    assert all(one != other for one, other in pairwise(prices))


def test_another_seed_and_another_venue_show_other_prices() -> None:
    (btc,) = assets(1)
    size = Decimal("0.01")
    last = market().quote(btc, AT, size).last
    assert market(seed="other").quote(btc, AT, size).last != last
    elsewhere = market(venue="okx live").quote(btc, AT, size).last
    assert elsewhere != last
    assert abs(elsewhere / last - 1) < Decimal("0.002")


@given(at=st.floats(1.6e9, 2.5e9), rank=st.integers(0, 299))
def test_a_quote_holds_together_at_any_time(at: float, rank: int) -> None:
    asset = assets(300)[rank]
    size = tick(asset.price)
    quote = market().quote(asset, at, size)
    assert 0 < quote.low <= quote.last <= quote.high
    assert quote.low <= quote.open <= quote.high
    assert quote.bid < quote.ask
    assert quote.turnover > 0
    assert Decimal("0.9") < quote.last / Decimal(asset.price) < Decimal("1.1")
    for price in (quote.last, quote.mark, quote.index, quote.average):
        assert price % size == 0


@pytest.mark.parametrize("count", [2, 40, 3_000])
def test_a_catalogue_has_the_length_asked_for_and_no_name_twice(count: int) -> None:
    listed = assets(count)
    assert len({asset.name for asset in listed}) == len(listed) == count
    assert listed[0].name == "BTC"


@pytest.mark.parametrize(
    ("price", "ticks", "lots"),
    [(91_000, "0.1", "0.001"), (3_150, "0.01", "0.01"), (0.16, "0.00001", "1")],
)
def test_steps_are_like_those_in_use(price: float, ticks: str, lots: str) -> None:
    assert (text(tick(price)), text(lot(price))) == (ticks, lots)
