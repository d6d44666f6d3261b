import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from botkeys.exchanges import gemini
from botkeys.exchanges.errors import BadPayload, ClockSkew, InvalidKey, RateLimited, Unreachable
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Environment,
    Instrument,
    PermissionAnswer,
)
from botkeys.exchanges.parsing import read_json
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Deadline, Request
from tests.support.any_json import any_json

VECTOR_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
KEYS = Credentials(Secret("account-k-test"), Secret("s-test"))
ALL_DETAILS, SYMBOLS, ROLES = "/v1/symbols/details/all", "/v1/symbols", "/v1/roles"


def signed(url: str, nonce: int) -> Request:
    return next(gemini.GeminiAuth(KEYS, lambda: nonce).auth_flow(Request("POST", url)))


def payload_of(headers: Any) -> dict[str, str]:
    payload: dict[str, str] = json.loads(base64.b64decode(headers["x-gemini-payload"]))
    return payload


def test_signatures_equal_those_of_an_independent_implementation(shared: Path) -> None:
    vectors = json.loads((shared / "signing-vectors.json").read_text())["gemini"]
    assert vectors
    for vector in vectors:
        assert (vector["secret"], vector["method"]) == ("s-test", "POST")
        request = signed(vector["url"], vector["fixed_time_ms"])
        for name, text in vector["headers"].items():
            assert request.headers[name] == text
        assert request.content == b""


def test_a_signature_is_that_of_the_documented_text() -> None:
    # printf %s '{"request":"/v1/roles","nonce":"7"}' | base64 -w0 |
    #     openssl dgst -sha384 -hmac s-test
    request = signed("https://gemini.example/v1/roles", 7)
    assert request.headers["X-GEMINI-SIGNATURE"] == (
        "f7f54059e4356032a6968b31dd9b4e848234fa9efbf5d140ce92e07a2121dde53ef5392d0f81339fb53bcc19ff9404e7"
    )


def test_nonces_rise_even_while_the_clock_stands_still() -> None:
    nonces = gemini.Nonces(lambda: VECTOR_TIME)
    assert [nonces.in_milliseconds() for _ in range(3)] == [
        1_700_000_000_000,
        1_700_000_000_001,
        1_700_000_000_002,
    ]


def test_a_nonce_in_seconds_is_never_ahead_of_the_clock() -> None:
    """Else the next second of a bot would not be above it. Rule R53."""
    now = VECTOR_TIME
    nonces = gemini.Nonces(lambda: now)
    assert {nonces.in_seconds() for _ in range(5)} == {1_700_000_000}
    now += timedelta(milliseconds=999)
    assert nonces.in_seconds() == 1_700_000_000


async def test_no_key_stays_in_memory_after_its_turn() -> None:
    nonces = gemini.Nonces(lambda: VECTOR_TIME)
    turn = nonces.turn(Secret("account-planted"))
    assert nonces.turn(Secret("account-planted")) is turn
    assert nonces.turn(Secret("account-other")) is not turn
    assert "planted" not in repr(vars(nonces))
    del turn
    assert len(vars(nonces)["_turns"]) == 0


def test_recordings_are_read(shared: Path) -> None:
    def recorded(name: str) -> object:
        return read_json((shared / "recorded" / f"gemini-{name}.json").read_bytes())

    listed = gemini.parse_instruments(recorded("symbols-details-all"))
    stated = [(item.symbol, str(item.tick_size), str(item.lot_size)) for item in listed]
    assert stated == [
        ("BTCGUSDPERP", "0.5", "0.0001"),
        ("ETHGUSDPERP", "0.05", "0.001"),
        ("PEPEGUSDPERP", "1E-9", "1"),
    ]
    (bat, _) = gemini.parse_prices(recorded("pricefeed"), frozenset({"BATUSD", "LINKETH"}))
    assert str(bat.price) == "0.20687"
    # A spot pair: its volume follows from base volume and price; a perpetual's is given in GUSD.
    volume = gemini.parse_volume(recorded("pubticker-btcusd"), listed[0])
    assert volume == Decimal("915.6534281291") * Decimal("11381.47")
    roles = gemini.parse_roles(recorded("roles-synthetic"))
    assert (roles.read, roles.trade, roles.withdraw) == ("yes", "yes", "no")


async def test_recorded_errors_are_classified_and_what_no_adapter_asks_for_is_no_ticker(
    shared: Path, exchanges: Exchanges, fake: Any, reply_of: Callable[..., Any]
) -> None:
    """`riskstats` returns mark price and open interest, which this service does not show."""
    recorded = shared / "recorded"
    names = ["InvalidKey", "BadSignature", "ClockSkew", "PermissionRefused", "RateLimited"]
    answers = json.loads((recorded / "gemini-errors-synthetic.json").read_text())
    bad_request = json.loads((recorded / "gemini-error-bad-request.json").read_text())
    answers.append({"http": 400, "body": bad_request})
    stated = []
    for answer in answers:
        fake.routes[ROLES] = reply_of(answer["body"], answer["http"])
        with pytest.raises(Exception) as caught:  # noqa: PT011  # the class is what is asserted
            await check(exchanges)
        stated.append(type(caught.value).__name__)
    assert stated == [*names, "Refused"]
    with pytest.raises(BadPayload):
        gemini.parse_instruments(
            json.loads((recorded / "gemini-riskstats-synthetic.json").read_text())
        )


@pytest.mark.parametrize(
    ("roles", "read", "trade", "withdraw"),
    [
        ({"isTrader": True, "isFundManager": False, "isAuditor": False}, "yes", "yes", "no"),
        ({"isTrader": False, "isFundManager": False, "isAuditor": True}, "yes", "no", "no"),
        ({"isTrader": False, "isFundManager": True, "isAuditor": False}, "yes", "no", "yes"),
        ({"isTrader": True, "isFundManager": True}, "yes", "yes", "yes"),
        ({"isTrader": False, "isFundManager": False, "isAuditor": False}, "no", "no", "no"),
        ({"isTrader": True}, "yes", "yes", "unknown"),
        ({"isTrader": "true", "isFundManager": False}, "unknown", "unknown", "no"),
    ],
)
def test_roles_are_read_and_never_guessed(
    roles: dict[str, object], read: str, trade: str, withdraw: str
) -> None:
    stated = gemini.parse_roles(roles)
    assert (stated.read, stated.trade, stated.withdraw) == (read, trade, withdraw)
    assert stated.ip_restricted is PermissionAnswer.UNKNOWN


def test_an_answer_without_any_known_role_is_no_answer() -> None:
    with pytest.raises(BadPayload):
        gemini.parse_roles({"isAccountAdmin": True})


@pytest.fixture
def world(sample: Callable[[str], Any], fake: Any, reply_of: Callable[..., Any]) -> Any:
    routes = sample("gemini")["routes"]
    fake.routes = {path: reply_of(answer) for path, answer in routes.items()}
    return fake


async def check(exchanges: Exchanges, keys: Credentials = KEYS) -> CredentialReport:
    adapter = exchanges.adapter("gemini")
    return await adapter.check_credentials(keys, Environment.LIVE, None, ContractType.LINEAR)


async def instruments(exchanges: Exchanges) -> list[Instrument]:
    adapter = exchanges.adapter("gemini")
    return list(await adapter.instruments(Environment.LIVE, None, ContractType.LINEAR))


async def test_a_check_says_everything_in_headers_and_has_no_body(
    exchanges: Exchanges, world: Any
) -> None:
    await check(exchanges)
    (asked,) = world.asked(ROLES)
    assert (asked.method, asked.body) == ("POST", "")
    assert asked.headers["content-length"] == "0"
    assert asked.headers["content-type"] == "text/plain"
    assert payload_of(asked.headers)["request"] == "/v1/roles"


HASTE = 25
"""How many seconds of the exchange's clock pass in one of ours."""


@pytest.fixture
def hurried(
    http: Any,
    fake: Any,
    world: Any,
    hosts_at: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Exchanges:
    """Provide exchanges whose clock and pauses run faster."""
    assert world is fake
    begun = monotonic()
    monkeypatch.setattr(gemini, "NONCE_SECONDS", 1 / HASTE)

    def clock() -> datetime:
        return VECTOR_TIME + timedelta(seconds=(monotonic() - begun) * HASTE)

    return Exchanges(http, clock=clock, hosts=hosts_at(fake.url))


def nonces_of(world: Any) -> list[int]:
    return [int(payload_of(asked.headers)["nonce"]) for asked in world.asked(ROLES)]


async def test_checks_of_one_key_at_the_same_time_arrive_with_rising_nonces(
    hurried: Exchanges, world: Any
) -> None:
    await asyncio.gather(*(check(hurried) for _ in range(6)))
    nonces = nonces_of(world)
    assert len(nonces) == 6
    assert nonces == sorted(set(nonces))
    assert nonces[-1] < 2_000_000_000  # seconds all of them


async def test_a_turn_that_does_not_come_in_time_is_no_outage(
    http: Any, fake: Any, hosts_at: Callable[[str], Any]
) -> None:
    exchanges = Exchanges(http, hosts=hosts_at(fake.url), check_seconds=0.05)
    adapter: Any = exchanges.adapter("gemini")
    turn = adapter._nonces.turn(KEYS.api_key)
    async with turn.lock:
        with pytest.raises(RateLimited):
            await check(exchanges)
    assert fake.received == []


async def test_milliseconds_are_tried_only_after_two_seconds_were_refused(
    hurried: Exchanges, world: Any, reply_of: Callable[..., Any]
) -> None:
    """Rule R53."""
    world.routes[ROLES] = reply_of({"result": "error", "reason": "InvalidNonce"}, 400)
    with pytest.raises(ClockSkew):
        await check(hurried)
    first, second, third, fourth = nonces_of(world)
    assert first < second < third // 1000 + 1
    assert second < 2_000_000_000
    assert 1_700_000_000_000 < third < fourth


class Counting:
    """A key of which the exchange accepts only a nonce above the last."""

    def __init__(self, last: int, reply_of: Callable[..., Any]) -> None:
        self.accepted = [last]
        self._reply_of = reply_of

    def takes(self, nonce: int) -> bool:
        if nonce <= self.accepted[-1]:
            return False
        self.accepted.append(nonce)
        return True

    def reply(self, received: Any) -> Any:
        if self.takes(int(payload_of(received.headers)["nonce"])):
            return self._reply_of({"isTrader": True, "isFundManager": False, "isAuditor": False})
        return self._reply_of({"result": "error", "reason": "InvalidNonce"}, 400)


async def test_a_check_leaves_a_bot_that_counts_in_seconds_alive(
    hurried: Exchanges,
    world: Any,
    reply_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule R53."""
    clock: Any = hurried.adapter("gemini")
    key = Counting(clock._nonces.in_seconds(), reply_of)
    monkeypatch.setattr(world, "reply", key.reply)

    assert (await check(hurried)).permissions.trade is PermissionAnswer.YES
    await asyncio.sleep(1.1 / HASTE)

    assert key.takes(clock._nonces.in_seconds())


async def test_a_bot_that_counts_in_milliseconds_is_checked_in_milliseconds(
    hurried: Exchanges, world: Any, reply_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: Any = hurried.adapter("gemini")
    key = Counting(clock._nonces.in_milliseconds(), reply_of)
    monkeypatch.setattr(world, "reply", key.reply)

    assert (await check(hurried)).permissions.trade is PermissionAnswer.YES

    assert len(nonces_of(world)) == 3


async def test_seconds_that_a_fault_may_have_used_up_do_not_lead_to_milliseconds(
    hurried: Exchanges, world: Any, reply_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule R53: the nonce of a call that failed may have counted."""
    adapter: Any = hurried.adapter("gemini")
    world.routes[ROLES] = reply_of({"result": "error", "reason": "InvalidNonce"}, 400)
    call = adapter._call

    async def repeated(*args: Any, **kwargs: Any) -> object:
        with suppress(ClockSkew):
            await call(*args, **kwargs)
        return await call(*args, **kwargs)

    monkeypatch.setattr(adapter, "_call", repeated)

    with pytest.raises(Unreachable):
        await check(hurried)

    assert max(nonces_of(world)) < 2_000_000_000


async def test_without_time_for_a_second_nonce_a_check_ends_as_no_outage(
    hurried: Exchanges, world: Any, reply_of: Callable[..., Any]
) -> None:
    world.routes[ROLES] = reply_of({"result": "error", "reason": "InvalidNonce"}, 400)
    adapter = hurried.adapter("gemini")
    with pytest.raises(RateLimited):
        await adapter.check_credentials(
            KEYS, Environment.LIVE, None, ContractType.LINEAR, Deadline(0.5 / HASTE)
        )
    assert len(nonces_of(world)) == 1


async def test_a_key_of_a_group_of_accounts_is_not_sent(exchanges: Exchanges, world: Any) -> None:
    with pytest.raises(InvalidKey):
        await check(exchanges, Credentials(Secret("master-k"), Secret("s")))
    assert world.received == []


@pytest.mark.parametrize("status", [400, 404])
async def test_without_the_call_for_all_details_symbols_are_asked_one_by_one(
    exchanges: Exchanges, world: Any, reply_of: Callable[..., Any], status: int
) -> None:
    whole = json.loads(world.routes[ALL_DETAILS].body)
    world.routes[ALL_DETAILS] = reply_of(
        {"result": "error", "reason": "EndpointNotFound", "message": "?"}, status
    )
    world.routes[SYMBOLS] = reply_of(["btcusd", "btcgusdperp", 7, "gonegusdperp", "solgusdperp"])
    for row in whole:
        world.routes[f"/v1/symbols/details/{row['symbol'].lower()}"] = reply_of(row)
    assert [item.symbol for item in await instruments(exchanges)] == ["BTCGUSDPERP"]
    assert world.asked("/v1/symbols/details/btcusd") == []


async def test_an_outage_is_not_asked_about_one_by_one(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any]
) -> None:
    world.routes[ALL_DETAILS] = make_reply(503)
    with pytest.raises(Unreachable):
        await instruments(exchanges)
    assert world.asked(SYMBOLS) == []


async def volumes(exchanges: Exchanges) -> dict[str, str | None]:
    adapter = exchanges.adapter("gemini")
    tickers = await adapter.tickers(Environment.LIVE, None, ContractType.LINEAR)
    assert all(ticker.price is not None for ticker in tickers)
    return {
        ticker.symbol: None if ticker.volume_24h is None else str(ticker.volume_24h)
        for ticker in tickers
    }


async def test_a_volume_without_its_quote_is_that_of_the_base_at_the_last_price(
    exchanges: Exchanges, world: Any
) -> None:
    assert world.routes
    assert await volumes(exchanges) == {
        "BTCGUSDPERP": "630005.25",
        "ETHGUSDPERP": "7500.0",
        "PEPEGUSDPERP": "0",
    }


@pytest.mark.parametrize(
    "fault",
    [{"body": b"<html>"}, {"status": 503}, {"body": b"{}", "cut": 1}],
    ids=("HTML", "503", "cut off"),
)
async def test_prices_are_returned_without_a_volume_that_cannot_be_had(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any], fault: dict[str, Any]
) -> None:
    world.routes["/v1/pubticker/BTCGUSDPERP"] = make_reply(**fault)
    stated = await volumes(exchanges)
    assert (stated["BTCGUSDPERP"], stated["ETHGUSDPERP"]) == (None, "7500.0")


async def test_an_exchange_that_wants_rest_is_asked_no_further(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any]
) -> None:
    world.routes["/v1/pubticker/BTCGUSDPERP"] = make_reply(429)
    assert set((await volumes(exchanges)).values()) == {None}
    assert world.asked("/v1/pubticker/ETHGUSDPERP") == []


def listed_as(*symbols: str) -> list[Instrument]:
    return [replace(BITCOIN, symbol=symbol) for symbol in symbols]


def test_volumes_are_asked_for_in_turn_and_kept_for_a_while() -> None:
    now = VECTOR_TIME
    kept = gemini.Volumes(lambda: now)
    assert [item.symbol for item in kept.due(listed_as("A", "B", "C"))] == ["A", "B", "C"]
    for symbol in ("B", "A"):
        now += timedelta(seconds=1)
        kept.asked(symbol)
    kept.remember("A", Decimal(7))
    assert [item.symbol for item in kept.due(listed_as("A", "B", "C"))] == ["C", "B", "A"]
    assert (kept.of("A"), kept.of("B"), kept.of("C")) == (Decimal(7), None, None)
    now += gemini.VOLUME_AGE
    assert kept.of("A") is None


def test_the_volume_of_a_contract_that_is_gone_is_forgotten() -> None:
    kept = gemini.Volumes(lambda: VECTOR_TIME)
    kept.remember("A", Decimal(7))
    kept.due(listed_as("B"))
    assert kept.of("A") is None


async def test_what_one_round_leaves_out_the_next_brings(
    exchanges: Exchanges, world: Any, make_reply: Callable[..., Any]
) -> None:
    ether = "/v1/pubticker/ETHGUSDPERP"
    whole, world.routes[ether] = world.routes[ether], make_reply(429)
    assert (await volumes(exchanges))["ETHGUSDPERP"] is None
    world.routes[ether] = whole
    assert None not in (await volumes(exchanges)).values()
    world.routes[ether] = make_reply(503)
    assert (await volumes(exchanges))["ETHGUSDPERP"] == "7500.0"


async def test_one_round_of_volumes_is_over_in_its_time(
    exchanges: Exchanges, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini, "VOLUME_SECONDS", 0.0)
    assert set((await volumes(exchanges)).values()) == {None}
    assert [request.path for request in world.received] == [ALL_DETAILS, "/v1/pricefeed"]


async def test_each_environment_has_its_own_hosts(http: Any) -> None:
    adapter = Exchanges(http).adapter("gemini")
    live = adapter.endpoints(Environment.LIVE, None, ContractType.LINEAR)
    test = adapter.endpoints(Environment.TESTNET, None, ContractType.LINEAR)
    assert (live.rest, live.websocket) == ("https://api.gemini.com", "wss://api.gemini.com")
    assert (test.rest, test.websocket) == (
        "https://api.sandbox.gemini.com",
        "wss://api.sandbox.gemini.com",
    )


ANYTHING = any_json(
    names=(
        "symbol",
        "base_currency",
        "quote_currency",
        "product_type",
        "contract_type",
        "status",
        "contract_price_currency",
        "tick_size",
        "quote_increment",
        "min_order_size",
        "pair",
        "price",
        "volume",
        "BTC",
        "GUSD",
        "last",
        "isTrader",
        "isFundManager",
        "isAuditor",
    ),
    words=("swap", "linear", "open", "BTC", "GUSD", "BTCGUSDPERP"),
)
BITCOIN = gemini.parse_instruments(
    [
        {
            "symbol": "BTCGUSDPERP",
            "base_currency": "BTC",
            "quote_currency": "GUSD",
            "contract_price_currency": "GUSD",
            "product_type": "swap",
            "contract_type": "linear",
            "status": "open",
            "tick_size": 1,
            "quote_increment": 1,
        }
    ]
)[0]


@given(ANYTHING)
@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_json_never_raises_anything_but_bad_payload(payload: object) -> None:
    for shaped in (payload, [payload]):
        for parse in (
            gemini.parse_instruments,
            gemini.parse_symbols,
            lambda value: gemini.parse_prices(value, frozenset({"BTCGUSDPERP"})),
            lambda value: gemini.parse_volume(value, BITCOIN),
            gemini.parse_roles,
        ):
            with suppress(BadPayload):
                parse(shaped)
