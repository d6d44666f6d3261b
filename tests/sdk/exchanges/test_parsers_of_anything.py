"""Parsers with almost correct responses: a valid one with arbitrary values in a few places."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botkeys.exchanges import bitmex, bybit, deribit, gemini, kraken, kucoin, phemex, woox
from botkeys.exchanges.errors import BadPayload
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Instrument,
    PermissionAnswer,
    Ticker,
)
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import ADAPTERS

Parse = Callable[[Any], object]
BYBIT = "/v5/market/{}?category={}"
DERIBIT_INSTRUMENTS = "/api/v2/public/get_instruments?currency=any&kind=future&expired=false"
DERIBIT_BOOK = "/api/v2/public/get_book_summary_by_currency?kind=future&currency=BTC"
SCALES = {"BTCUSD": phemex.Scale(4, Decimal(1))}
INVERSE = {"result": [{"symbol": "BTCUSD", "lastEp": 600_000_000, "volume": 7}]}

# By exchange: the response in its fixture, and its parser.
PARSERS: dict[str, list[tuple[str, Parse]]] = {
    "bitmex": [
        ("/api/v1/instrument/active", lambda x: bitmex.parse_instruments(x, ContractType.LINEAR)),
        ("/api/v1/instrument/active", lambda x: bitmex.parse_instruments(x, ContractType.INVERSE)),
        ("/api/v1/instrument/active", bitmex.parse_tickers),
        ("/api/v1/apiKey", lambda x: bitmex.parse_keys(x, "k-planted")),
    ],
    "bybit": [
        *[
            (
                f"{BYBIT.format('instruments-info', kind)}&limit=1000",
                lambda x, kind=kind: bybit.parse_instruments(bybit.parse_page(x)[0], kind),
            )
            for kind in ContractType
        ],
        *[
            (BYBIT.format("tickers", kind), lambda x, kind=kind: bybit.parse_tickers(x, kind))
            for kind in ContractType
        ],
        ("/v5/user/query-api", bybit.parse_key),
    ],
    "kraken": [
        *[
            (
                "/derivatives/api/v3/instruments",
                lambda x, kind=kind: kraken.parse_instruments(x, kind),
            )
            for kind in ContractType
        ],
        ("/derivatives/api/v3/tickers", kraken.parse_tickers),
        ("/api/auth/v1/api-keys/v3/check", kraken.parse_key),
        ("/api/auth/v1/api-keys/v3/check", kraken.parse_accounts),
    ],
    "kucoin": [
        ("/api/v1/contracts/active", lambda x: kucoin.parse_instruments(x, ContractType.LINEAR)),
        ("/api/v1/contracts/active", lambda x: kucoin.parse_instruments(x, ContractType.INVERSE)),
        ("/api/v1/contracts/active", kucoin.parse_tickers),
        ("/api/v1/user/api-key", kucoin.parse_key),
    ],
    "deribit": [
        *[
            (DERIBIT_INSTRUMENTS, lambda x, kind=kind: deribit.parse_instruments(x, kind))
            for kind in ContractType
        ],
        (DERIBIT_BOOK, lambda x: deribit.parse_tickers([x], frozenset({"BTC-PERPETUAL"}))),
        ("/api/v2/public/auth", lambda x: CredentialReport(deribit.parse_login(x))),
    ],
    "gemini": [
        ("/v1/symbols/details/all", gemini.parse_instruments),
        ("/v1/pricefeed", lambda x: gemini.parse_prices(x, frozenset({"BTCGUSDPERP"}))),
        ("/v1/roles", lambda x: CredentialReport(gemini.parse_roles(x))),
    ],
    "phemex": [
        ("/public/products", lambda x: phemex.parse_instruments(x, ContractType.LINEAR)),
        ("/public/products", lambda x: phemex.parse_instruments(x, ContractType.INVERSE)),
        (
            "/public/products",
            lambda x: phemex.parse_inverse_tickers(INVERSE, phemex.parse_scales(x)),
        ),
        ("/md/v3/ticker/24hr/all", phemex.parse_linear_tickers),
        ("/md/v1/ticker/24hr/all", lambda x: phemex.parse_inverse_tickers(x, SCALES)),
        ("/g-accounts/accountPositions", phemex.parse_account),
    ],
    "woox": [
        ("/v3/public/instruments", woox.parse_instruments),
        ("/v3/public/futures", woox.parse_tickers),
        (
            "/v3/account/credentials",
            lambda x: CredentialReport(woox.parse_permissions(x, "k-planted")),
        ),
    ],
}

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.text(max_size=8),
    st.sampled_from(["0", "-1", "1e999", "NaN", "1e-40", "_", "PI_", "PF_X", "\ud800", "*", ","]),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@cache
def answers(exchange: str) -> Any:
    path = Path(__file__).parent / "fixtures" / f"{exchange}.json"
    content: Any = read_json(path.read_bytes())
    return content["routes"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values: every member of every object and list, the whole included."""
    found = [path]
    if isinstance(value, dict | list):
        steps = value if isinstance(value, dict) else range(len(value))
        for step in steps:
            found += places(value[step], (*path, step))
    return found


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    changed = value.copy()
    with suppress(LookupError, AttributeError, TypeError):  # a place that no longer exists
        changed[path[0]] = replaced(value[path[0]], path[1:], by)
    return changed


def sound(result: object) -> bool:
    """Return whether numbers are numbers, text fits a database, and permissions are valid."""
    if isinstance(result, tuple):
        return all(sound(item) for item in result)
    if isinstance(result, Instrument):
        numbers = (result.contract_size, result.tick_size, result.lot_size, result.min_quantity)
        texts = (result.symbol, result.base, result.quote, result.settle)
        leverage = result.max_leverage
        return (
            all(number.is_finite() and number > 0 for number in numbers)
            and all(text.encode() for text in texts)
            and (leverage is None or leverage > 0)
        )
    if isinstance(result, Ticker):
        stated = [number for number in (result.price, result.volume_24h) if number is not None]
        return bool(result.symbol.encode()) and all(isinstance(x, Decimal) for x in stated)
    assert isinstance(result, CredentialReport)
    expires, permissions = result.expires_at, result.permissions
    answers = (permissions.read, permissions.trade, permissions.withdraw, permissions.ip_restricted)
    return all(isinstance(answer, PermissionAnswer) for answer in answers) and (
        expires is None or (isinstance(expires, datetime) and expires.tzinfo is not None)
    )


@pytest.mark.parametrize("exchange", PARSERS)
@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_a_nearly_right_answer_is_read_soundly_or_is_a_bad_payload(
    exchange: str, data: st.DataObject
) -> None:
    route, parse = data.draw(st.sampled_from(PARSERS[exchange]))
    payload = answers(exchange)[route]
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.sampled_from(places(payload)))
        payload = replaced(payload, place, data.draw(ANYTHING))
    try:
        result = parse(payload)
    except BadPayload:
        return
    assert sound(result)


@pytest.mark.parametrize("exchange", PARSERS)
@given(payload=ANYTHING)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_anything_at_all_is_read_or_a_bad_payload(exchange: str, payload: object) -> None:
    for _, parse in PARSERS[exchange]:
        with suppress(BadPayload):
            assert sound(parse(payload))


@pytest.mark.parametrize("exchange", PARSERS)
@given(payload=ANYTHING)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_anything_at_all_is_an_error_envelope_or_none(exchange: str, payload: object) -> None:
    adapter = object.__new__(ADAPTERS[exchange])
    for shaped in (payload, {"error": payload}, {"errors": [payload]}, {"code": payload}):
        stated = adapter.error_of(shaped)
        assert stated is None or all(isinstance(part, str) for part in stated)
