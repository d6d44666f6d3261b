"""Whatever JSON an exchange sends: a parser returns a value or raises `BadPayload`."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botkeys.exchanges import binance_account, binance_futures, okx
from botkeys.exchanges.errors import BadPayload
from botkeys.exchanges.model import ContractType
from botkeys.exchanges.parsing import (
    as_decimal,
    as_leverage,
    as_moment,
    as_text,
    as_time,
    milliseconds,
    read_json,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SIZES = {"BTCUSD_PERP": Decimal(100)}
SYMBOLS = frozenset({"BTC-USDT-SWAP"})

PARSERS: tuple[Callable[[object], object], ...] = (
    lambda payload: binance_futures.parse_instruments(payload, ContractType.LINEAR),
    lambda payload: binance_futures.parse_instruments(payload, ContractType.INVERSE),
    binance_futures.parse_linear_tickers,
    lambda payload: binance_futures.parse_inverse_tickers(payload, SIZES),
    binance_futures.parse_leverage,
    binance_futures.parse_can_trade,
    binance_account.parse_restrictions,
    binance_account.parse_exchange_account,
    binance_account.parse_portfolio_account,
    lambda payload: okx.parse_instruments(payload, ContractType.LINEAR),
    lambda payload: okx.parse_instruments(payload, ContractType.INVERSE),
    lambda payload: okx.parse_tickers(payload, SYMBOLS),
    okx.parse_account,
)

# Words and numbers that get a parser past its first check, among arbitrary values.
WORDS = st.sampled_from(
    [
        *[
            "TRADING",
            "PERPETUAL",
            "SWAP",
            "live",
            "linear",
            "inverse",
            "PRICE_FILTER",
            "LOT_SIZE",
            "BTC-USDT",
        ],
        *[
            "BTC-USDT-SWAP",
            "BTCUSD_PERP",
            "BTC",
            "USDT",
            "trade",
            "1",
            "0",
            "-1",
            "1e999",
            "1_0",
            "NaN",
            "Infinity",
            "٣",
            "-",
            "0x1",
        ],
        "",
        "\x00",
        "\ud800",
        "1e-40",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=8) | st.decimals()
NAMES = st.sampled_from(
    [
        "symbols",
        "data",
        "symbol",
        "status",
        "contractStatus",
        "contractType",
        "deliveryDate",
        "filters",
        "filterType",
        "tickSize",
        "stepSize",
        "minQty",
        "baseAsset",
        "quoteAsset",
        "marginAsset",
        "contractSize",
        "lastPrice",
        "volume",
        "quoteVolume",
        "brackets",
        "initialLeverage",
        "canTrade",
        "enableFutures",
        "tradingAuthorityExpirationTime",
        "instType",
        "instId",
        "state",
        "ctType",
        "ctVal",
        "ctMult",
        "ctValCcy",
        "uly",
        "settleCcy",
        "tickSz",
        "lotSz",
        "minSz",
        "lever",
        "last",
        "volCcy24h",
        "perm",
        "ip",
        "acctLv",
        "uid",
    ]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=12),
    max_leaves=30,
)


@given(ANYTHING)
@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_json_never_raises_anything_but_bad_payload(payload: object) -> None:
    for parse in PARSERS:
        for shaped in (payload, [payload], {"symbols": [payload]}, {"data": [payload]}):
            with suppress(BadPayload):
                parse(shaped)


@given(data=st.data())
@settings(
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_good_answer_with_some_fields_replaced_is_still_read_or_refused(
    sample: Callable[[str], Any], data: st.DataObject
) -> None:
    row = dict(sample("okx")["routes"]["/api/v5/public/instruments"]["data"][0])
    row.update(data.draw(st.dictionaries(st.sampled_from(sorted(row)), LEAVES, max_size=3)))
    try:
        (found,) = okx.parse_instruments({"data": [row]}, ContractType.LINEAR)
    except BadPayload:
        return
    numbers = (found.contract_size, found.tick_size, found.lot_size, found.min_quantity)
    assert all(number.is_finite() and number > 0 for number in numbers)
    assert all(text.encode() for text in (found.symbol, found.base, found.quote, found.settle))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | ANYTHING.map(repr))
def test_reading_raises_value_error_only(body: bytes | str) -> None:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    with suppress(ValueError):
        read_json(raw)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1e9999999999999999999999"])
def test_hostile_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        read_json(text.encode())


def test_an_integer_of_ten_thousand_digits_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="digits"):
        read_json(b"1" * 10_000)


def test_fractions_keep_their_digits() -> None:
    assert read_json(b"[0.10, 1e-10]") == [Decimal("0.10"), Decimal("1E-10")]
    assert str(as_decimal(read_json(b"0.10"))) == "0.10"


@pytest.mark.parametrize(
    ("value", "number"),
    [("0.10", "0.10"), ("1e-10", "1E-10"), (7, "7"), ("-2.", "-2"), ("0.000", "0"), ("+3", "3")],
)
def test_numbers_are_read_from_text_and_json(value: object, number: str) -> None:
    assert str(as_decimal(value)) == number


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 1",
        "1_000",
        "NaN",
        "Infinity",
        "٣",
        "0x1",
        "1e999",
        "1e-31",
        "1\n",
        True,
        None,
        [],
        1.5,
        10**31,
        Decimal("NaN"),
        Decimal("Infinity"),
    ],
)
def test_what_is_no_sane_number_is_none(value: object) -> None:
    assert as_decimal(value) is None


@pytest.mark.parametrize("value", ["", "a b", "a\x00", "\ud800", "x" * 65, None, True, 1.5, {}])
def test_what_is_no_short_word_is_none(value: object) -> None:
    assert as_text(value) is None


def test_words_of_any_script_are_words() -> None:
    assert as_text("币安人生USDT") == "币安人生USDT"
    assert as_text(12) == "12"


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001  # hypothesis wants them naive
def test_milliseconds_and_back(moment: datetime) -> None:
    exact = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    assert as_time(milliseconds(exact)) == exact


@given(st.integers() | st.text(max_size=30))
def test_any_time_is_a_time_or_none(value: object) -> None:
    found = as_time(value)
    assert found is None or datetime(1970, 1, 1, tzinfo=UTC) <= found


@pytest.mark.parametrize(
    ("margin", "leverage"),
    [("0.01", "100"), ("0.02", "50"), ("0.03", "33.33"), (1, "1"), ("0.014", "71.42")],
)
def test_an_initial_margin_tells_the_maximum_leverage(margin: object, leverage: str) -> None:
    assert str(as_leverage(margin)) == leverage


@pytest.mark.parametrize("margin", [0, -1, "1.5", "1e-9", None, "x", True, []])
def test_what_is_no_margin_tells_no_leverage(margin: object) -> None:
    assert as_leverage(margin) is None


def test_moments_in_words_are_read_and_1970_is_none() -> None:
    assert as_moment("2026-11-22T12:00:00Z") == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert as_moment("2026-11-22T13:00:00.000+01:00") == datetime(2026, 11, 22, 12, tzinfo=UTC)
    for text in ("1970-01-01T00:00:00Z", "2026-11-22T12:00:00", "0001-01-01T00:00:00+23:00", "?"):
        assert as_moment(text) is None


@given(st.text(max_size=40) | st.integers() | st.none())
def test_any_text_is_a_moment_or_none(value: object) -> None:
    found = as_moment(value)
    assert found is None or found > datetime(1970, 1, 1, tzinfo=UTC)
