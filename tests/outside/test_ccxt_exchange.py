"""What `botkeys.ccxt` hands to ccxt, and what it refuses, hides and takes back."""

import asyncio
import json
import logging
import re
import sys
from types import SimpleNamespace

import ccxt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import botkeys.ccxt
from app.simulator import Simulator
from app.simulator.keys import KeyText, Permission, SimulatedKey
from botkeys.client import (
    BotConfig,
    CcxtMissing,
    CcxtUnsupported,
    Environment,
    ReleasedCredentials,
    WrongKey,
)
from botkeys.sync import BotClient as SyncBotClient
from tests.outside.bots import AsyncBot, SyncBot
from tests.outside.released import config_of, released
from tests.sdk.commands.run.serving import serving

PARTS = {"api_key": "the-api-key", "api_secret": "the-secret", "api_passphrase": "the-passphrase"}
FAPI = "https://fapi.binance.com"


@pytest.fixture(scope="module")
def pairs() -> dict[str, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey]:
    return {
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }


def binance(
    rest: str | None = FAPI, parts: dict[str, str] = PARTS
) -> tuple[ReleasedCredentials, BotConfig]:
    return (
        released("binance", Environment.LIVE, parts, rest),
        config_of("binance", Environment.LIVE, "linear", rest),
    )


@pytest.mark.parametrize(
    ("exchange", "algorithm"), [("binance", "ed25519"), ("binance", "rsa"), ("bybit", "rsa")]
)
async def test_ccxt_signs_with_a_private_key(
    pairs: dict[str, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey],
    exchange: str,
    algorithm: str,
) -> None:
    """Also if it was pasted with other line ends, which make it longer."""
    private = pairs[algorithm]
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    async with Simulator(perpetuals=2, long_listing=2) as simulator:
        may = frozenset({Permission.READ, Permission.TRADE})
        text = KeyText("own-pair", "")
        simulator.keys.add(
            SimulatedKey(exchange, "live", text, "123456789", may, public_key=public.decode())
        )
        rest = simulator.hosts[exchange]["live"]
        parts = {"api_key": "own-pair", "api_secret": pem.replace("\n", "\r\n")}
        client = botkeys.ccxt.exchange(
            SyncBot(
                released(exchange, Environment.LIVE, parts, rest),
                config_of(exchange, Environment.LIVE, "linear", rest),
            )
        )
        client.enableRateLimit = False
        balance = await asyncio.to_thread(client.fetch_balance)
        client.session.close()
    assert balance["total"]["USDT"] == 10_000


def test_deribit_with_a_private_key_is_refused_with_what_to_do(
    pairs: dict[str, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey],
) -> None:
    pem = pairs["ed25519"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    rest = "https://www.deribit.com"
    parts = {"api_key": "id", "api_secret": pem.decode()}
    with pytest.raises(CcxtUnsupported, match="client credentials") as refused:
        botkeys.ccxt.options(
            released("deribit", Environment.LIVE, parts, rest),
            config_of("deribit", Environment.LIVE, "linear", rest),
        )
    assert pem.decode() not in str(refused.value)


def test_the_secrets_are_in_the_dictionary_but_not_in_its_text() -> None:
    rest = "https://www.okx.com"
    made = botkeys.ccxt.options(
        released("okx", Environment.LIVE, PARTS, rest),
        config_of("okx", Environment.LIVE, "linear", rest),
    )
    assert (made["apiKey"], made["secret"], made["password"]) == tuple(PARTS.values())
    for text in (repr(made), str(made), f"{made}"):
        assert not any(part in text for part in PARTS.values())
    assert json.loads(json.dumps(made)) == made


async def test_ccxt_logs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    """At the level debug, ccxt logs the headers of each."""
    async with Simulator(perpetuals=2, long_listing=2) as simulator:
        rest = simulator.hosts["okx"]["live"]
        client = botkeys.ccxt.exchange(
            SyncBot(
                released("okx", Environment.LIVE, PARTS, rest),
                config_of("okx", Environment.LIVE, "linear", rest),
            )
        )
        with caplog.at_level(logging.DEBUG), pytest.raises(ccxt.AuthenticationError):
            await asyncio.to_thread(client.fetch_balance)
        client.session.close()
    assert not any("the-api-key" in record.getMessage() for record in caplog.records)
    assert client.verbose is False


async def test_dropped_credentials_are_dropped_in_ccxt_too() -> None:
    """Rule R65."""
    credentials, config = binance()
    client = botkeys.ccxt.exchange(SyncBot(credentials, config))
    other = await botkeys.ccxt.exchange(AsyncBot(credentials, config))
    assert client.apiKey == other.apiKey == "the-api-key"
    credentials.forget()
    for each in (client, other):
        assert (each.apiKey, each.secret, each.password) == (None, None, None)
        with pytest.raises(ccxt.AuthenticationError, match="apiKey"):
            each.check_required_credentials()
    client.session.close()
    await other.close()


def test_a_client_without_asyncio_gets_an_exchange_without_it() -> None:
    with serving() as served, SyncBotClient(served.url, served.service.token) as bot:
        served.change(endpoints={"rest": "http://127.0.0.1:9", "websocket": None})
        client = botkeys.ccxt.exchange(bot)
        assert type(client) is ccxt.okx
        assert client.isSandboxModeEnabled
        assert client.secret == served.service.credentials.api_secret.reveal()
    assert client.secret is None
    client.session.close()


def test_a_copy_of_what_was_dropped_before_is_dropped_at_once() -> None:
    credentials, _ = binance()
    credentials.forget()
    dropped: list[int] = []
    credentials.when_dropped(lambda: dropped.append(1))
    credentials.forget()
    assert dropped == [1]


async def test_a_configuration_of_another_key_is_read_again() -> None:
    credentials, config = binance()
    bot = AsyncBot(credentials, config)
    key = config.key
    assert key is not None
    other = key.model_copy(update={"id": credentials.bot_id.__class__(int=1)})
    bot.newest_config = config.model_copy(update={"key": other})
    client = await botkeys.ccxt.exchange(bot)
    assert client.id == "binanceusdm"
    await client.close()
    with pytest.raises(WrongKey):
        botkeys.ccxt.options(credentials, bot.newest_config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exchange": "mtgox"}, "does not know keys of mtgox"),
        ({"contract_type": "quanto"}, "does not know keys of binance, live, quanto"),
        ({"environment": "paper"}, "does not know keys of binance, paper"),
    ],
)
def test_a_key_of_a_kind_that_is_unknown_here_is_refused(
    change: dict[str, str], message: str
) -> None:
    credentials, config = binance()
    assert config.key is not None
    changed = config.model_copy(update={"key": config.key.model_copy(update=change)})
    for call in (
        lambda: botkeys.ccxt.options(credentials, changed),
        lambda: botkeys.ccxt.exchange_id(changed),
    ):
        with pytest.raises(CcxtUnsupported, match=message):
            call()


def test_no_key_and_no_address_are_refused() -> None:
    credentials, config = binance(rest=None)
    with pytest.raises(CcxtUnsupported, match="has no key"):
        botkeys.ccxt.exchange_id(config.model_copy(update={"key": None}))
    with pytest.raises(CcxtUnsupported, match="No address is known for binance live"):
        botkeys.ccxt.options(credentials, config)


@pytest.mark.parametrize("bot", [SyncBot, AsyncBot])
def test_without_ccxt_no_credentials_are_fetched(
    bot: type[SyncBot | AsyncBot], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ccxt", "ccxt.async_support"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(CcxtMissing, match="pip install ccxt"):
        botkeys.ccxt.exchange(bot(*binance()))


def test_an_exchange_that_this_ccxt_lacks_is_refused_with_what_to_install() -> None:
    """Its newest release has no BitMEX: a stand-in lacks it here."""
    rest = "http://127.0.0.1:9"
    parts = (
        released("bitmex", Environment.LIVE, PARTS, rest),
        config_of("bitmex", Environment.LIVE, "linear", rest),
    )
    with pytest.raises(CcxtUnsupported, match=re.escape("ccxt<=4.5.82")):
        botkeys.ccxt.make(SimpleNamespace(), *parts)
