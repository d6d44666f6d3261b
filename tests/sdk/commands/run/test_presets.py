"""What each preset hands over, for keys of every exchange."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from botkeys.commands.endings import UsageFault
from botkeys.commands.run.delivery import Delivery, prepare
from botkeys.commands.run.given import Given
from botkeys.commands.run.memory_files import CredentialFiles
from botkeys.commands.run.presets import PRESETS, find_preset
from botkeys.commands.run.presets.cryptofeed import CryptofeedPreset
from botkeys.commands.run.refusals import NoPlace
from botkeys.exchanges.model import ContractType, Endpoints, Environment, ExchangeId
from botkeys.exchanges.registry import EXCHANGES, Exchanges
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport
from tests.sdk.commands.run.conftest import SECRETS

FREQTRADE = ("freqtrade", "trade", "-c", "config.json")
LIVE, TESTNET = Environment.LIVE, Environment.TESTNET
LINEAR, INVERSE = ContractType.LINEAR, ContractType.INVERSE


def given(
    exchange: str = "okx",
    environment: Environment = TESTNET,
    contract_type: ContractType = LINEAR,
    region: str | None = None,
) -> Given:
    adapter = Exchanges(HttpTransport()).adapter(exchange)
    return Given(
        key_id=UUID("0195b1c0-0000-7000-8000-0000000000aa"),
        label="Perps",
        version=3,
        exchange=ExchangeId(exchange),
        environment=environment,
        region=region,
        contract_type=contract_type,
        api_key=Secret(SECRETS[0]),
        api_secret=Secret(SECRETS[1]),
        api_passphrase=Secret(SECRETS[2]) if EXCHANGES[exchange].passphrase_required else None,
        endpoints=adapter.endpoints(environment, region, contract_type),
        own_address=True,
    )


def deliver(preset: str, key: Given, command: Iterable[str] = ("bot",)) -> Delivery:
    return find_preset(preset).deliver(key, tuple(command))


def content(delivery: Delivery) -> str:
    (file,) = delivery.files
    return file.content.reveal()


def values(delivery: Delivery) -> dict[str, str]:
    return {name: value.reveal() for name, value in delivery.variables.items()}


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_hands_over_a_key_or_says_why_not(name: str, exchange: str) -> None:
    refusals: list[str] = []
    for environment in Environment:
        try:
            delivery = deliver(name, given(exchange, environment), FREQTRADE)
        except NoPlace as error:
            refusals.append(str(error))
            continue
        got = [*values(delivery).values(), *(file.content.reveal() for file in delivery.files)]
        assert all(secret in "".join(got) for secret in SECRETS[:2])
        shown = (delivery.ways, *delivery.arguments, *delivery.replaced.values())
        assert not [each for each in SECRETS if each in "".join(shown)]
    assert all(exchange in refusal for refusal in refusals)


def test_variables_are_named_by_exchange() -> None:
    assert values(deliver("env", given("okx"))) == dict(
        zip(("OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"), SECRETS, strict=True)
    )
    assert list(values(deliver("env", given("woox")))) == ["WOOX_API_KEY", "WOOX_API_SECRET"]


@pytest.mark.parametrize(
    ("exchange", "environment", "region", "prefix"),
    [
        ("binance", LIVE, None, "BINANCE"),
        ("binance", TESTNET, None, "BINANCE_DEMO"),
        ("bybit", LIVE, None, "BYBIT"),
        ("bybit", TESTNET, None, "BYBIT_TESTNET"),
        ("bybit", TESTNET, "demo", "BYBIT_DEMO"),
        ("bitmex", TESTNET, None, "BITMEX_TESTNET"),
        ("deribit", TESTNET, None, "DERIBIT_TESTNET"),
        ("kraken", LIVE, None, "KRAKEN_FUTURES"),
        ("kraken", TESTNET, None, "KRAKEN_FUTURES_DEMO"),
        ("okx", TESTNET, "eea", "OKX"),
    ],
)
def test_nautilus_has_variables_by_venue_and_environment(
    exchange: str, environment: Environment, region: str | None, prefix: str
) -> None:
    named = list(values(deliver("nautilus", given(exchange, environment, region=region))))
    assert named[:2] == [f"{prefix}_API_KEY", f"{prefix}_API_SECRET"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (given("binance", TESTNET), "binance"),
        (given("binance", LIVE, INVERSE), "binance"),
        (given("bybit", LIVE, region="eu"), "bybiteu"),
        (given("okx", LIVE, region="eea"), "myokx"),
        (given("kraken", LIVE), "krakenfutures"),
    ],
)
def test_freqtrade_gets_a_further_file(key: Given, name: str) -> None:
    delivery = deliver("freqtrade", key, FREQTRADE)
    exchange = json.loads(content(delivery))["exchange"]
    assert (exchange["name"], exchange["key"], exchange["secret"]) == (name, *SECRETS[:2])
    # freqtrade logs this one.
    assert not [each for each in SECRETS if each in json.dumps(exchange["ccxt_config"])]
    assert delivery.arguments == ("-c", "{freqtrade.json}")


def test_freqtrade_is_asked_for_its_own_configuration() -> None:
    with pytest.raises(NoPlace, match="with -c"):
        deliver("freqtrade", given(), ["freqtrade", "trade"])


def test_digits_stay_text_for_freqtrade_and_its_own_variables_do_not_win(memory: Path) -> None:
    key = replace(given("bybit"), api_key=Secret("0123456789"))
    delivery = deliver("freqtrade", key, FREQTRADE)
    assert json.loads(content(delivery))["exchange"]["key"] == "0123456789"
    own = {"FREQTRADE__EXCHANGE__KEY": "other", "FREQTRADE__MAX_OPEN_TRADES": "1", "BOTKEYS_X": "1"}
    with CredentialFiles(disk=False, variables={"XDG_RUNTIME_DIR": str(memory)}) as files:
        prepared = prepare(FREQTRADE, [delivery], files, own)
        path = prepared.command[-1]
        assert path.startswith("/proc/self/fd/")
        assert Path(path).read_text() == Path(path).read_text() == content(delivery)
        with pytest.raises(PermissionError):
            Path(path).write_text("something else")
    assert prepared.variables == {"FREQTRADE__MAX_OPEN_TRADES": "1"}


@pytest.mark.parametrize(
    ("command", "user", "added"),
    [
        (("passivbot", "live", "config.hjson"), "botkeys", ("-u", "botkeys")),
        (("passivbot", "live", "-u", "okx_01"), "okx_01", ()),
        (("passivbot", "live", "--user=okx_01"), "okx_01", ()),
    ],
)
def test_passivbot_finds_its_user(
    command: tuple[str, ...], user: str, added: tuple[str, ...]
) -> None:
    delivery = deliver("passivbot", given("okx", LIVE), command)
    entry = {"exchange": "okx", "key": SECRETS[0], "secret": SECRETS[1], "passphrase": SECRETS[2]}
    assert json.loads(content(delivery)) == {user: entry}
    assert tuple(delivery.arguments) == added


def test_passivbot_is_led_to_the_test_environment() -> None:
    entry = json.loads(content(deliver("passivbot", given("okx", TESTNET))))["botkeys"]
    assert entry["sandbox"] is True
    with pytest.raises(NoPlace, match="linear"):
        deliver("passivbot", given("okx", LIVE, INVERSE))


def test_an_own_file_of_passivbot_is_not_replaced(memory: Path, tmp_path: Path) -> None:
    link = tmp_path / "api-keys.json"
    with CredentialFiles(disk=False, variables={"XDG_RUNTIME_DIR": str(memory)}) as files:
        target = files.write("api-keys.json", Secret("{}"))
        files.link(link, target)
        assert link.read_text() == "{}"
        # A second run in the same folder.
        with pytest.raises(NoPlace, match="another run"):
            files.link(link, target)
    assert not link.is_symlink()
    link.symlink_to(target)  # as a killed run leaves it
    with CredentialFiles(disk=False, variables={"XDG_RUNTIME_DIR": str(memory)}) as files:
        files.link(link, files.write("api-keys.json", Secret("[]")))
        assert link.read_text() == "[]"
    link.write_text("own")
    with CredentialFiles(disk=False) as files, pytest.raises(NoPlace, match="move it away"):
        files.link(link, target)
    assert link.read_text() == "own"


def test_cryptofeed_keeps_the_users_file(tmp_path: Path) -> None:
    own = tmp_path / "feeds.yaml"
    own.write_text("uvloop: false\nokx:\n    key_id: null\n")
    preset = CryptofeedPreset({"CRYPTOFEED_CONFIG": str(own)})
    lines = content(preset.deliver(given("okx"), ())).splitlines()
    assert lines[:3] == own.read_text().splitlines()
    name, _, keys = lines[3].partition(": ")
    assert (name, list(json.loads(keys).values())) == ("okx", list(SECRETS))
    for kind, expected in ((LINEAR, "binance_futures"), (INVERSE, "binance_delivery")):
        last = content(CryptofeedPreset({}).deliver(given("binance", LIVE, kind), ()))
        assert last.splitlines()[-1].startswith(f"{expected}: ")


def test_hummingbot_api_gets_the_body_of_a_request() -> None:
    delivery = deliver("hummingbot-api", given("bybit", TESTNET))
    assert json.loads(content(delivery)) == {
        "bybit_perpetual_testnet_api_key": SECRETS[0],
        "bybit_perpetual_testnet_secret_key": SECRETS[1],
    }
    assert delivery.replaced == {"connector": "bybit_perpetual_testnet"}
    for key in (given("okx", TESTNET), given("binance", TESTNET), given("okx", LIVE, INVERSE)):
        with pytest.raises(NoPlace):
            deliver("hummingbot-api", key)


def test_presets_that_take_an_address_hand_it_over() -> None:
    proxy = Endpoints(rest="http://127.0.0.1:9", websocket=None)
    for name in PRESETS:
        if find_preset(name).takes_address:
            key = replace(given("bybit", LIVE), endpoints=proxy, own_address=False)
            assert "http://127.0.0.1:9" in content(deliver(name, key, FREQTRADE))


def test_there_is_no_other_preset() -> None:
    with pytest.raises(UsageFault, match=r"'jesse' is no preset\. The presets are freqtrade, "):
        find_preset("jesse")
