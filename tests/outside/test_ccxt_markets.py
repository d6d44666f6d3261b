"""ccxt and our adapters read the same listings of the simulator alike."""

import pytest

from app.domains.trading.symbols import unified_symbol
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import EXCHANGES
from tests.outside.conftest import BothSides
from tests.outside.differences import (
    CCXT_ALONE,
    DIFFERENCES,
    FIELDS,
    INVERSE,
    Difference,
    disagreements,
    expected,
    of_ccxt,
)

CATALOGUES = [
    pytest.param(exchange, contract_type, id=f"{exchange}-{contract_type}")
    for exchange, profile in EXCHANGES.items()
    for contract_type in profile.contract_types
]
ENOUGH = 30
ALL_THERE_ARE = {("deribit", INVERSE): 2}


def test_every_exchange_is_held_against_ccxt() -> None:
    assert len(EXCHANGES) == 10
    assert len(CATALOGUES) == 18  # Gemini and WOO X have no inverse contracts


@pytest.mark.parametrize(("exchange", "contract_type"), CATALOGUES)
async def test_ccxt_agrees_on_every_perpetual(
    both_sides: BothSides, environment: Environment, exchange: str, contract_type: ContractType
) -> None:
    client = await both_sides.client(exchange, environment)
    rows = [
        of_ccxt(market)
        for market in client.markets
        if market["swap"] and market[contract_type.value] and market["active"] is not False
    ]
    theirs = {row.symbol: row for row in rows}
    assert len(theirs) == len(rows)
    listed = await both_sides.instruments(exchange, environment, contract_type)
    instruments = [each for each in listed if not each.dated]
    ours = {row.symbol: row for row in (expected(exchange, each) for each in instruments)}
    assert len(ours) == len(instruments)
    assert set(theirs) - set(ours) == CCXT_ALONE.get((exchange, contract_type), frozenset())
    assert set(ours) - set(theirs) == set()
    compared = [(row, theirs[symbol]) for symbol, row in ours.items()]
    assert len(compared) >= ALL_THERE_ARE.get((exchange, contract_type), ENOUGH)
    assert [text for pair in compared for text in disagreements(*pair)] == []


@pytest.mark.parametrize(("exchange", "contract_type"), CATALOGUES)
async def test_ccxt_gives_every_instrument_the_same_unified_name(
    both_sides: BothSides, environment: Environment, exchange: str, contract_type: ContractType
) -> None:
    """Rule R56. Dated contracts count."""
    client = await both_sides.client(exchange, environment)
    theirs = {market["id"].upper(): market["symbol"] for market in client.markets}
    instruments = await both_sides.instruments(exchange, environment, contract_type)
    named = {each.symbol: each for each in instruments if each.symbol.upper() in theirs}
    assert {each.symbol for each in instruments if not each.dated} <= named.keys()
    differing = {
        symbol: (ours, theirs[symbol.upper()])
        for symbol, each in named.items()
        if (ours := unified_symbol(each.base, each.quote, each.settle, each.expires_at)).upper()
        != theirs[symbol.upper()].upper()
    }
    assert differing == {}


@pytest.mark.parametrize(
    "difference", DIFFERENCES, ids=lambda each: f"{each.exchange}-{each.field}"
)
async def test_every_difference_is_one_and_has_its_reason(
    both_sides: BothSides, environment: Environment, difference: Difference
) -> None:
    """A row that excuses nothing would hide later changes."""
    assert difference.field in FIELDS
    assert difference.reason.endswith(".")
    for contract_type in EXCHANGES[difference.exchange].contract_types:
        if difference.concerns(difference.exchange, contract_type):
            instruments = await both_sides.instruments(
                difference.exchange, environment, contract_type
            )
            assert any(
                getattr(each, difference.field) != difference.says(each) for each in instruments
            )
