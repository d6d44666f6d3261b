"""ccxt's ids of the ten exchanges, compared with ccxt."""

import ccxt
import pytest

from botkeys.exchanges.ccxt_ids import CCXT_IDS, CcxtExchange, from_ccxt, to_ccxt
from botkeys.exchanges.model import Environment, ExchangeId
from botkeys.exchanges.registry import EXCHANGES

FORMER = {"okex", "okex5"}
LATER = {"bybitid"}  # than the release that the tests use


def test_every_id_is_one_of_ccxt() -> None:
    assert set(CCXT_IDS) - FORMER - LATER <= set(ccxt.exchanges)
    assert from_ccxt("bybitid") == CcxtExchange(ExchangeId.BYBIT, region="id")


def test_every_id_means_something_that_is_offered() -> None:
    for meant in CCXT_IDS.values():
        profile = EXCHANGES[meant.exchange]
        regions = profile.environments[Environment.LIVE].regions
        assert meant.region is None or meant.region in regions
        assert meant.contract_type is None or meant.contract_type in profile.contract_types


@pytest.mark.parametrize("exchange", ExchangeId)
def test_an_id_of_ccxt_leads_to_every_kind_of_key_and_back(exchange: ExchangeId) -> None:
    profile = EXCHANGES[exchange]
    for region in (None, *profile.environments[Environment.LIVE].regions):
        for kind in profile.contract_types:
            ccxt_id = to_ccxt(exchange, region, kind)
            meant = from_ccxt(ccxt_id)
            assert meant is not None
            assert meant.exchange is exchange
            assert meant.contract_type in {None, kind}
            assert meant.region in {None, region}
            assert ccxt_id in ccxt.exchanges


@pytest.mark.parametrize("text", ["", "kraken", "mtgox", "binanceus", "gateio"])
def test_what_is_none_of_the_ten_means_nothing(text: str) -> None:
    assert from_ccxt(text) is None


def test_the_case_of_letters_and_space_around_do_not_matter() -> None:
    assert from_ccxt(" BinanceUSDM ") == from_ccxt("binanceusdm")
