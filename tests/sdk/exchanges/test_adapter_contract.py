"""What every adapter promises, tested on all of them: correct values, and correct errors.

An adapter joins by its entry in `ADAPTERS` and a file `fixtures/<exchange>.json` with `routes`
(answers by path, or by path and query), `expected` (per contract type), `closed` (the members of a
listed row that no longer trades), `report` (permissions per environment), `refusals`,
`unreachable`, `rate_limited` and `refused` (error answers).
"""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from botkeys.exchanges import gemini
from botkeys.exchanges.errors import (
    AddressRefused,
    BadPayload,
    CredentialsRefused,
    ExchangeError,
    InvalidKey,
    NoEndpoint,
    RateLimited,
    Refused,
    Unreachable,
    Unreadable,
)
from botkeys.exchanges.model import ContractType, Credentials, Environment, MarginMode
from botkeys.exchanges.registry import ADAPTERS, EXCHANGES, Exchanges, passphrase_required
from botkeys.sealing.secret import Secret

Sample = dict[str, Any]
Operation = Callable[[], Awaitable[object]]

HTML = b"<!DOCTYPE html><title>Maintenance</title>"
DEEP = b"[" * 100_000
# formats in which not every text can be a secret
SECRETS = {"kraken": "cy1wbGFudGVkLXMtcGxhbnRlZC1z"}
OPERATIONS = ("instruments", "tickers", "check_credentials")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no check wait a second for its nonce: the clock of these tests stands still anyway."""
    monkeypatch.setattr(gemini, "NONCE_SECONDS", 0.01)


@pytest.fixture(params=sorted(ADAPTERS))
def exchange(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=list(Environment))
def environment(request: pytest.FixtureRequest) -> Environment:
    return Environment(request.param)


@pytest.fixture(params=list(ContractType))
def contract_type(request: pytest.FixtureRequest, exchange: str) -> ContractType:
    chosen = ContractType(request.param)
    if chosen not in EXCHANGES[exchange].contract_types:
        pytest.skip(f"{exchange} has no {chosen} contracts")
    return chosen


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def keys(exchange: str) -> Credentials:
    passphrase = Secret("p-planted") if passphrase_required(exchange) else None
    return Credentials(Secret("k-planted"), Secret(SECRETS.get(exchange, "s-planted")), passphrase)


@pytest.fixture
def world(
    exchange: str, sample: Callable[[str], Sample], fake: Any, reply_of: Callable[..., Any]
) -> Sample:
    content = sample(exchange)
    fake.routes = {path: reply_of(answer) for path, answer in content["routes"].items()}
    return content


@pytest.fixture(
    params=[Environment.LIVE, pytest.param(Environment.TESTNET, marks=pytest.mark.torture)]
)
def does(
    request: pytest.FixtureRequest,
    exchange: str,
    operation: str,
    keys: Credentials,
    world: Sample,  # the responses must be in place
) -> Callable[[Exchanges], Operation]:
    """Return one operation, live with the first contract type and on testnet with the last."""
    environment = Environment(request.param)
    kinds = EXCHANGES[exchange].contract_types
    kind = kinds[0] if environment is Environment.LIVE else kinds[-1]

    def bound(exchanges: Exchanges) -> Operation:
        adapter = exchanges.adapter(exchange)

        def run() -> Awaitable[object]:
            if operation == "check_credentials":
                return adapter.check_credentials(keys, environment, None, kind)
            if operation == "tickers":
                return adapter.tickers(environment, None, kind)
            return adapter.instruments(environment, None, kind)

        return run

    return bound


@pytest.fixture
def act(does: Callable[[Exchanges], Operation], exchanges: Exchanges) -> Operation:
    return does(exchanges)


async def test_instruments_are_the_perpetuals_open_for_trading_and_dated_contracts(
    exchanges: Exchanges,
    exchange: str,
    environment: Environment,
    contract_type: ContractType,
    world: Sample,
) -> None:
    listed = await exchanges.adapter(exchange).instruments(environment, None, contract_type)
    expected = world["expected"][contract_type]
    perpetuals = [instrument for instrument in listed if not instrument.dated]
    assert [instrument.symbol for instrument in perpetuals] == expected["listed"]
    assert all(instrument.expires_at is not None for instrument in listed if instrument.dated)
    first = listed[0]
    stated = {name: getattr(first, name) for name in expected["instrument"]}
    assert {name: None if x is None else str(x) for name, x in stated.items()} == (
        expected["instrument"]
    )
    assert first.contract_type is contract_type
    # Kraken has one more with linear contracts.
    cross = (exchange, contract_type) == ("kraken", ContractType.INVERSE)
    modes = (MarginMode.CROSS,) if cross else EXCHANGES[exchange].margin_modes
    assert first.margin_modes == modes
    numbers = ("contract_size", "tick_size", "lot_size", "min_quantity")
    assert all(isinstance(getattr(item, name), Decimal) for item in listed for name in numbers)


async def test_tickers_count_volume_in_the_quote_asset(
    exchanges: Exchanges,
    exchange: str,
    environment: Environment,
    contract_type: ContractType,
    world: Sample,
) -> None:
    tickers = await exchanges.adapter(exchange).tickers(environment, None, contract_type)
    expected = world["expected"][contract_type]["ticker"]
    found = next(ticker for ticker in tickers if ticker.symbol == expected["symbol"])
    assert found.price == Decimal(expected["price"])
    assert found.volume_24h == Decimal(expected["volume_24h"])


async def test_accepted_credentials_come_with_what_is_known_of_their_permissions(
    exchanges: Exchanges,
    exchange: str,
    environment: Environment,
    contract_type: ContractType,
    keys: Credentials,
    world: Sample,
) -> None:
    adapter = exchanges.adapter(exchange)
    report = await adapter.check_credentials(keys, environment, None, contract_type)
    stated = {name: getattr(report.permissions, name) for name in world["report"][environment]}
    assert stated == world["report"][environment]


def _faults() -> Iterator[tuple[str, dict[str, Any], type[ExchangeError]]]:
    html = {"body": HTML}
    for status in (500, 502, 503, 504):
        yield f"status {status}", {"status": status, **html}, Unreachable
    yield "firewall", {"status": 403, **html}, AddressRefused
    yield "country", {"status": 451, **html}, AddressRefused
    yield "redirect", {"status": 302, "headers": {"Location": "http://a.invalid/"}}, Unreachable
    yield "cut connection", {"body": b'{"code":"0","data":[]}', "cut": 9}, Unreachable
    yield "nothing at all", {"body": b"xxxx", "cut": 4}, Unreachable
    yield "false gzip", {"headers": {"Content-Encoding": "gzip"}, **html}, Unreachable
    yield "HTML", html, Unreadable
    yield "HTML 404", {"status": 404, **html}, Unreadable
    yield "HTML 401", {"status": 401, **html}, Unreadable
    yield "truncated JSON", {"body": b'{"code":"0","data":[{"instId":"BTC-'}, Unreadable
    yield "empty body", {}, Unreadable
    yield "depth", {"body": DEEP}, Unreadable
    yield "size", {"body": b" " * 200_001}, Unreadable
    yield "bytes", {"body": b"\xff\xfe\x00"}, Unreadable
    for text in ("NaN", '{"x":1e9999999999999999999}'):
        yield text, {"body": text.encode()}, Unreadable
    for text in ("null", "[]", "{}", "[null]", '"x"', "7", '{"code":"0","data":[]}'):
        yield text, {"body": text.encode()}, BadPayload
    for text in ('{"symbols":[]}', '{"data":[{}]}', "[{}]"):
        yield text, {"body": text.encode()}, BadPayload


async def test_a_fault_becomes_the_right_error(
    fake: Any, make_reply: Callable[..., Any], act: Operation
) -> None:
    for name, reply, error in _faults():
        with fake.failing(make_reply(**reply)), pytest.raises(ExchangeError) as caught:
            await act()
        assert (name, type(caught.value)) == (name, error)
        assert b"planted" not in repr(caught.value).encode()


@pytest.mark.parametrize("status", [429, 418], ids=["rate limit", "banned address"])
async def test_a_limit_is_reported_with_the_time_to_stay_away(
    fake: Any, make_reply: Callable[..., Any], act: Operation, status: int
) -> None:
    reply = make_reply(status=status, headers={"Retry-After": "60"}, body=HTML)
    with fake.failing(reply), pytest.raises(RateLimited) as caught:
        await act()
    assert caught.value.retry_after == 60
    assert b"planted" not in repr(caught.value).encode()


async def test_silence_is_unreachable(
    fake: Any,
    make_reply: Callable[..., Any],
    does: Callable[[Exchanges], Operation],
    impatient: Exchanges,
) -> None:
    with fake.failing(make_reply(silent=True)), pytest.raises(Unreachable):
        await does(impatient)()


async def test_a_closed_port_is_unreachable(
    http: Any,
    hosts_at: Callable[[str], Any],
    exchange: str,
    environment: Environment,
    contract_type: ContractType,
    keys: Credentials,
) -> None:
    adapter = Exchanges(http, hosts=hosts_at("http://127.0.0.1:1")).adapter(exchange)
    with pytest.raises(Unreachable):
        await adapter.tickers(environment, None, contract_type)
    with pytest.raises(Unreachable):
        await adapter.check_credentials(keys, environment, None, contract_type)


async def test_error_codes_find_their_place(
    fake: Any, reply_of: Callable[..., Any], act: Operation, world: Sample
) -> None:
    kinds = (
        ("unreachable", Unreachable),
        ("rate_limited", RateLimited),
        ("barred", AddressRefused),
    )
    for kind, error in kinds:
        for answer in world.get(kind, ()):
            with fake.failing(reply_of(answer["body"], answer["status"])):
                with pytest.raises(error) as caught:
                    await act()
                assert type(caught.value) is error, answer
    answer = world["refused"]
    with fake.failing(reply_of(answer["body"], answer["status"])), pytest.raises(Refused) as no:
        await act()
    assert type(no.value) is Refused


async def test_refused_credentials_come_with_the_exact_reason(
    fake: Any,
    reply_of: Callable[..., Any],
    exchanges: Exchanges,
    exchange: str,
    environment: Environment,
    keys: Credentials,
    world: Sample,
) -> None:
    adapter = exchanges.adapter(exchange)
    contract_type = EXCHANGES[exchange].contract_types[0]
    for answer in world["refusals"]:
        fault = fake.failing(reply_of(answer["body"], answer["status"]))
        with fault, pytest.raises(CredentialsRefused) as caught:
            await adapter.check_credentials(keys, environment, None, contract_type)
        stated = (caught.value.reason, list(caught.value.possible))
        assert stated == (answer["reason"], answer["possible"]), answer


async def test_no_error_passes_on_what_an_exchange_writes(
    fake: Any,
    reply_of: Callable[..., Any],
    act: Operation,
) -> None:
    for code in ("k-planted", -1, "50111", "s-planted" * 20):
        body: Sample = {"code": code, "msg": "your key is k-planted", "data": []}
        for status in (200, 400, 401, 403, 429, 500):
            with fake.failing(reply_of(body, status)), pytest.raises(ExchangeError) as caught:
                await act()
            assert "planted" not in f"{caught.value!r} {vars(caught.value)}"


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _with(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = leaf
    return changed


def _with_all(value: Any, members: Sample) -> Any:
    """Return a copy in which every object with one of these members has these values."""
    if isinstance(value, list):
        return [_with_all(item, members) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {name: _with_all(item, members) for name, item in value.items()}
    return changed | {name: members[name] for name in members if name in changed}


ODD: list[Any] = ["NEVER_SEEN", "", None, -1, [], {}, True]


@pytest.mark.parametrize(
    "leaves",
    [
        pytest.param(ODD, marks=pytest.mark.torture, id="all"),
        pytest.param([None, "", {}], id="some"),
    ],
)
async def test_one_odd_value_anywhere_breaks_nothing(
    fake: Any,
    reply_of: Callable[..., Any],
    does: Callable[[Exchanges], Operation],
    remembered: Exchanges,
    world: Sample,
    leaves: list[Any],
) -> None:
    act = does(remembered)
    await act()
    asked = {name for received in fake.received for name in (received.target, received.path)}
    for leaf in leaves:
        outcomes = []
        for path in asked & set(world["routes"]):
            answer = world["routes"][path]
            for place in _leaves(answer):
                fake.routes[path] = reply_of(_with(answer, place, leaf))
                try:
                    await act()
                    outcomes.append("read")
                except ExchangeError as error:
                    outcomes.append(type(error).__name__)
            fake.routes[path] = reply_of(answer)
        assert outcomes.count("read") > len(outcomes) // 2, repr(leaf)


async def test_a_listing_without_one_usable_row_is_not_an_empty_catalogue(
    fake: Any,
    reply_of: Callable[..., Any],
    exchanges: Exchanges,
    exchange: str,
    contract_type: ContractType,
    world: Sample,
) -> None:
    adapter = exchanges.adapter(exchange)
    await adapter.instruments(Environment.LIVE, None, contract_type)
    asked = fake.received[0]
    path = asked.target if asked.target in world["routes"] else asked.path
    fake.routes[path] = reply_of(_with_all(world["routes"][path], world["closed"]))
    with pytest.raises(BadPayload):
        await adapter.instruments(Environment.LIVE, None, contract_type)


async def test_a_whole_check_is_over_in_its_time(
    fake: Any,
    make_reply: Callable[..., Any],
    http: Any,
    exchange: str,
    environment: Environment,
    keys: Credentials,
    hosts_at: Callable[[str], Any],
) -> None:
    exchanges = Exchanges(http, hosts=hosts_at(fake.url), check_seconds=0.1)
    begun = asyncio.get_running_loop().time()
    with fake.failing(make_reply(silent=True)), pytest.raises(Unreachable):
        await exchanges.adapter(exchange).check_credentials(
            keys, environment, None, EXCHANGES[exchange].contract_types[0]
        )
    assert asyncio.get_running_loop().time() - begun < 20


async def test_without_a_host_everything_is_no_endpoint(
    http: Any,
    exchange: str,
    environment: Environment,
    contract_type: ContractType,
    keys: Credentials,
    hosts_at: Callable[[str | None], Any],
) -> None:
    adapter = Exchanges(http, hosts=hosts_at(None)).adapter(exchange)
    endpoints = adapter.endpoints(environment, None, contract_type)
    assert (endpoints.rest, endpoints.websocket) == (None, None)
    with pytest.raises(NoEndpoint):
        await adapter.instruments(environment, None, contract_type)
    with pytest.raises(NoEndpoint):
        await adapter.tickers(environment, None, contract_type)
    with pytest.raises(NoEndpoint):
        await adapter.check_credentials(keys, environment, None, contract_type)


async def test_an_unknown_region_is_no_endpoint(
    exchanges: Exchanges, exchange: str, environment: Environment, contract_type: ContractType
) -> None:
    with pytest.raises(NoEndpoint):
        exchanges.adapter(exchange).endpoints(environment, "atlantis", contract_type)


async def test_credentials_that_cannot_be_right_are_not_sent(
    fake: Any, exchanges: Exchanges, exchange: str, environment: Environment, keys: Credentials
) -> None:
    bent = Credentials(Secret("k\r\nX-Other: 1"), keys.api_secret, keys.api_passphrase)
    with pytest.raises(InvalidKey):
        await exchanges.adapter(exchange).check_credentials(
            bent, environment, None, EXCHANGES[exchange].contract_types[0]
        )
    assert fake.received == []


async def test_only_the_check_carries_the_key_and_nothing_carries_the_secret(
    fake: Any, act: Operation, operation: str, keys: Credentials
) -> None:
    await act()
    sent = json.dumps([vars(request) for request in fake.received])  # bodies included
    assert ("k-planted" in sent) == (operation == "check_credentials")
    assert keys.api_secret.reveal() not in sent
