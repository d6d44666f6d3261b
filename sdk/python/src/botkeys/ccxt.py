"""ccxt with the credentials of a bot: the right class, options and addresses for its key.

`exchange(bot)` returns a ready exchange object, `options` the dictionary for a constructor of ccxt.
ccxt is not a dependency of this package: install it beside (`pip install ccxt`).
"""

import importlib
import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, overload
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from botkeys.client.errors import CcxtMissing, CcxtUnsupported, WrongKey
from botkeys.client.models import BotConfig
from botkeys.environment import Environment
from botkeys.exchanges.ccxt_addresses import all_at, binance_demo
from botkeys.exchanges.ccxt_ids import to_ccxt
from botkeys.exchanges.model import ContractType, Endpoints, ExchangeId
from botkeys.exchanges.pem import is_pem, private_key
from botkeys.exchanges.registry import ADAPTERS
from botkeys.sealing.secret import Secret

__all__ = ["exchange", "exchange_id", "options"]

_DEMO = "demo"
_INVERSE_COIN = "BTC"
# Lists of coins and networks, which contracts do not need and which ask for permissions that a key
# for trading may lack. BitMEX and Phemex are absent: ccxt scales their balances by them.
_WITHOUT_COINS = frozenset(
    {ExchangeId.BINANCE, ExchangeId.BYBIT, ExchangeId.GEMINI, ExchangeId.KUCOIN, ExchangeId.OKX}
)
_ONE_ACCOUNT_A_COIN = frozenset({ExchangeId.KUCOIN, ExchangeId.PHEMEX})
"""Exchanges of which ccxt reads one coin's account, by default that of linear contracts."""

_MARKETS: Mapping[ExchangeId, list[str]] = {
    ExchangeId.BYBIT: ["linear", "inverse"],
    ExchangeId.OKX: ["swap", "future"],
}
"""What ccxt loads, where its class would load spot too, or spot alone as in some regions."""

# ccxt logs every request at the level debug, with the API key and the signature among its headers.
_logger = logging.getLogger(__name__)
_logger.setLevel(logging.WARNING)


class Released(Protocol):
    """The credentials of a key, as either client returns them."""

    @property
    def key_id(self) -> UUID: ...

    @property
    def endpoints(self) -> Endpoints: ...

    @property
    def api_key(self) -> Secret: ...

    @property
    def api_secret(self) -> Secret: ...

    @property
    def api_passphrase(self) -> Secret | None: ...

    def when_dropped(self, call: Callable[[], None], /) -> None: ...


class _AsyncBot(Protocol):
    @property
    def newest_config(self) -> BotConfig | None: ...

    async def credentials(self) -> Released: ...

    async def config(self) -> BotConfig: ...


class _SyncBot(Protocol):
    @property
    def newest_config(self) -> BotConfig | None: ...

    def credentials(self) -> Released: ...

    def config(self) -> BotConfig: ...


class _Options(dict[str, Any]):
    """A dictionary with secrets, which are not shown when it is printed."""

    def __repr__(self) -> str:
        hidden = {"apiKey", "secret", "password"}
        return repr({name: "***" if name in hidden else self[name] for name in self})

    __str__ = __repr__


class _Key(NamedTuple):
    id: UUID
    exchange: ExchangeId
    environment: Environment
    kind: ContractType

    def place(self, address: str | None) -> tuple[bool, str | None]:
        """Return whether the address is the exchange's own, and the region whose site it is."""
        adapter = ADAPTERS[self.exchange]
        for name, own in adapter.hosts[self.environment].items():
            if name.startswith("rest") and own is not None and own == address:
                region = name.removeprefix("rest_")
                return True, region if region in adapter.regions else None
        return False, None


def exchange_id(config: BotConfig) -> str:
    """Return the name of ccxt's class for the bot's key, such as `binanceusdm`.

    Raises CcxtUnsupported if the bot has no key, or one that this package does not know.
    """
    key = _key_of(config)
    _, region = key.place(_address(config))
    return to_ccxt(key.exchange, region, key.kind)


def options(credentials: Released, config: BotConfig) -> dict[str, Any]:
    """Return the dictionary for the constructor of ccxt's class, secrets in plain text included.

    It chooses the key's environment, site and kind of contracts. An address that is not the
    exchange's own, as of a simulator, takes the place of all that ccxt has. Raises CcxtUnsupported
    where ccxt cannot do what the key needs, and WrongKey if configuration and credentials are of
    two keys.
    """
    key = _key_of(config)
    if key.id != credentials.key_id:
        raise WrongKey("key_id", expected=str(key.id), received=str(credentials.key_id))
    address = _address(config) or credentials.endpoints.rest
    if address is None:
        raise CcxtUnsupported(_no_address(key))
    own, region = key.place(address)
    made = _Options(
        apiKey=credentials.api_key.reveal(),
        secret=_secret(key.exchange, credentials),
        verbose=False,
        options={"defaultType": "swap", "defaultSubType": str(key.kind)},
    )
    if credentials.api_passphrase is not None:
        made["password"] = credentials.api_passphrase.reveal()
    if key.exchange in _WITHOUT_COINS:
        made["has"] = {"fetchCurrencies": False}
    if key.exchange in _MARKETS:
        made["options"]["fetchMarkets"] = {"types": list(_MARKETS[key.exchange])}
    if key.kind is ContractType.INVERSE and key.exchange in _ONE_ACCOUNT_A_COIN:
        made["options"]["fetchBalance"] = {"code": _INVERSE_COIN, "settle": _INVERSE_COIN}
    _enter(made, key, region)
    if own:
        _choose_site(made, key, region, address)
    else:
        _lead_elsewhere(made, key.exchange, address)
    return made


@overload
def exchange(bot: _AsyncBot) -> Awaitable[Any]: ...


@overload
def exchange(bot: _SyncBot) -> Any: ...


def exchange(bot: _AsyncBot | _SyncBot) -> Any:
    """Return ccxt's exchange object for the bot's key; for an asynchronous bot, await it.

    It is of `ccxt.async_support` for an asynchronous bot, which closes it in the end (`await
    exchange.close()`), and of `ccxt` for another. Once the credentials are dropped it has none
    either, and its signed calls raise ccxt's AuthenticationError: ask for a new one. Raises
    CcxtMissing, CcxtUnsupported, and what fetching credentials and configuration raises.
    """
    if inspect.iscoroutinefunction(bot.credentials):
        return _exchange_of_async(bot, _load("ccxt.async_support"))  # type: ignore[arg-type]
    return _exchange_of_sync(bot, _load("ccxt"))  # type: ignore[arg-type]


async def _exchange_of_async(bot: _AsyncBot, ccxt: Any) -> Any:
    credentials = await bot.credentials()
    config = bot.newest_config
    if config is None or config.key is None or config.key.id != credentials.key_id:
        config = await bot.config()
    return make(ccxt, credentials, config)


def _exchange_of_sync(bot: _SyncBot, ccxt: Any) -> Any:
    credentials = bot.credentials()
    config = bot.newest_config
    if config is None or config.key is None or config.key.id != credentials.key_id:
        config = bot.config()
    return make(ccxt, credentials, config)


def _load(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise CcxtMissing from None


def make(ccxt: Any, credentials: Released, config: BotConfig) -> Any:
    """Return an exchange object of `ccxt`, which is that package or its `async_support`."""
    name = exchange_id(config)
    made_by = getattr(ccxt, name, None)
    if made_by is None:
        version = getattr(importlib.import_module("ccxt"), "__version__", "?")
        raise CcxtUnsupported(_no_class(name, version))
    made = made_by(options(credentials, config))
    made.logger = _logger
    held = weakref.ref(made)

    def drop() -> None:
        client = held()
        if client is not None:
            client.apiKey = client.secret = client.password = None

    credentials.when_dropped(drop)
    return made


def _no_class(name: str, version: str) -> str:
    if name == ExchangeId.BITMEX:
        return f"ccxt {version} has no bitmex: the last that has it is 4.5.82 (ccxt<=4.5.82)."
    return f"ccxt {version} has no {name}: install a newer one (pip install --upgrade ccxt)."


def _key_of(config: BotConfig) -> _Key:
    """Return the key, if it is of a kind that is known here."""
    key = config.key
    if key is None:
        raise CcxtUnsupported("The bot has no key: assign one to it.")
    try:
        return _Key(
            key.id,
            ExchangeId(key.exchange),
            Environment(key.environment),
            ContractType(str(key.contract_type)),
        )
    except ValueError:
        raise CcxtUnsupported(
            f"This release of botkeys does not know keys of {key.exchange}, {key.environment}, "
            f"{key.contract_type}: install a newer one."
        ) from None


def _address(config: BotConfig) -> str | None:
    return None if config.endpoints is None else config.endpoints.rest


def _no_address(key: _Key) -> str:
    return (
        f"No address is known for {key.exchange} {key.environment}: the exchange has closed it, or"
        " the service's operator has not set one (BOTKEYS_EXCHANGE_HOSTS)."
    )


def _secret(exchange: ExchangeId, credentials: Released) -> str:
    """Return the secret as ccxt reads it. A private key is written in its plainest form.

    ccxt tells the two algorithms of Binance apart by the length of the text.
    """
    secret = credentials.api_secret.reveal()
    if not is_pem(secret):
        return secret
    if exchange is ExchangeId.DERIBIT:
        raise CcxtUnsupported(
            "ccxt signs for Deribit with a client secret only, and this key has a private key: "
            "create a key of the type client credentials, or sign with a client of your own."
        )
    plain = private_key(secret).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return plain.decode("ascii").strip()


def _enter(made: dict[str, Any], key: _Key, region: str | None) -> None:
    """Choose the environment."""
    if key.environment is Environment.LIVE or key.exchange is ExchangeId.KUCOIN:
        return  # ccxt knows no test environment of KuCoin
    if key.exchange is ExchangeId.BINANCE or region == _DEMO:
        made["options"]["enableDemoTrading"] = True
    else:
        made["sandbox"] = True


def _choose_site(made: dict[str, Any], key: _Key, region: str | None, address: str) -> None:
    """Choose one of the exchange's own sites, where neither class nor environment says which."""
    testnet = key.environment is Environment.TESTNET
    if key.exchange is ExchangeId.BINANCE and testnet:
        made["urls"] = {"api": binance_demo()}
    elif key.exchange is ExchangeId.BYBIT and region == _DEMO:
        made["urls"] = {"api": all_at(key.exchange, address)}
    elif key.exchange is ExchangeId.BYBIT and not testnet and region is not None:
        made["hostname"] = (urlsplit(address).hostname or "").removeprefix("api.")


def _lead_elsewhere(made: dict[str, Any], exchange: ExchangeId, address: str) -> None:
    """Replace every address, also those that ccxt takes for the test environment."""
    # There are no WebSockets at it: ccxt.pro must not fall back to the exchange's.
    made["urls"] = {name: {**all_at(exchange, address), "ws": None} for name in ("api", "test")}
    if exchange is ExchangeId.GEMINI:
        # ccxt reads most steps from a page of Gemini's site, which is not at this address.
        made["options"]["fetchMarketsFromAPI"] = {"fetchDetailsForAllSymbols": True}
