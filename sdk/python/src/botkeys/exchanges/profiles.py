"""The profiles of the ten exchanges.

Every exchange is offered with both environments. BitMEX has closed and KuCoin's sandbox is gone:
their notes say so, but neither is refused, since a host can be set for either.
"""

from collections.abc import Mapping
from types import MappingProxyType

from botkeys.exchanges.credential_forms import PRIVATE_KEY_EXCHANGES, form_of
from botkeys.exchanges.model import (
    AddressRestriction,
    Availability,
    ContractType,
    CredentialField,
    Environment,
    EnvironmentProfile,
    ExchangeProfile,
    Expiry,
    LeverageKind,
    MarginMode,
    MarginModeScope,
    PairAlgorithm,
    PermissionName,
)

_BOTH_TYPES = (ContractType.LINEAR, ContractType.INVERSE)
_LINEAR = (ContractType.LINEAR,)
_BOTH_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_CROSS = (MarginMode.CROSS,)
_OKX_REGIONS = MappingProxyType(
    {
        "global": "Global (www.okx.com)",
        "eea": "European Economic Area (eea.okx.com)",
        "us": "United States (us.okx.com)",
    }
)
_BYBIT_REGIONS = MappingProxyType(
    {
        "global": "Global (bybit.com)",
        "nl": "Netherlands (bybit.nl)",
        "tr": "Türkiye (bybit-tr.com)",
        "kz": "Kazakhstan (bybit.kz)",
        "ge": "Georgia (bybitgeorgia.ge)",
        "ae": "United Arab Emirates (bybit.ae)",
        "eu": "European Union (bybit.eu)",
        "id": "Indonesia (bybit.id)",
    }
)
_BYBIT_TEST_REGIONS = MappingProxyType(
    {
        "global": "Testnet (testnet.bybit.com)",
        "demo": "Demo Trading of an account on the main site",
    }
)
_NO_WITHDRAWAL = "Do not enable any withdrawal permission: this service rejects keys that have one."
_COPY = "Copy the key and the secret immediately: the secret is shown only once."


_REAL_FUNDS = (
    "A live key trades with real funds: give it no more than the permissions to trade, and "
    "restrict it to the addresses that use it."
)
_SYNTHETIC = (
    "Liquidity is synthetic: depth of the order book, speed of fills and slippage differ from live."
)
_RESETS = (
    "Test balances may be reset from time to time; new test funds are claimed at the exchange's "
    "own site for testing."
)
_PASSPHRASE_HELP = (
    "The passphrase chosen when the key was created. It may instead stand behind the secret, as "
    "secret:passphrase; leave this field empty then."
)


def _fields(
    exchange: str,
    key: str,
    secret: str = "The secret of the API key.",
    passphrase: str | None = None,
    *,
    key_name: str | None = None,
    secret_name: str | None = None,
    key_placeholder: str = "xxxxxxxxxxxxxxxx",
    secret_placeholder: str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
) -> tuple[CredentialField, ...]:
    """Return the fields of an exchange; the names are what it calls key and secret itself."""
    fields = [
        _field(exchange, "api_key", _label("API Key", key_name), key, key_placeholder),
        _field(
            exchange, "api_secret", _label("API Secret", secret_name), secret, secret_placeholder
        ),
    ]
    if passphrase is not None:
        fields.append(_field(exchange, "api_passphrase", "Passphrase", passphrase, "xxxxxxxx"))
    return tuple(fields)


def _label(ours: str, theirs: str | None) -> str:
    return ours if theirs is None else f"{ours} ({theirs})"


def _field(exchange: str, name: str, label: str, text: str, placeholder: str) -> CredentialField:
    form = form_of(exchange, name)
    return CredentialField(
        name=name,
        required=True,
        help=text,
        label=label,
        secret=name != "api_key",
        pattern=form.entered,
        min_length=form.shortest,
        max_length=form.longest,
        placeholder=placeholder,
        multiline=name == "api_secret" and exchange in PRIVATE_KEY_EXCHANGES,
        within="api_secret" if name == "api_passphrase" else None,
    )


def _available(
    portal_url: str,
    note: str | None = None,
    regions: Mapping[str, str] = MappingProxyType({}),
    advice: tuple[str, ...] = (_REAL_FUNDS,),
) -> EnvironmentProfile:
    return EnvironmentProfile(
        Availability.AVAILABLE, note, portal_url, tuple(regions), regions, advice
    )


BITMEX = ExchangeProfile(
    exchange="bitmex",
    name="BitMEX",
    environments={
        Environment.LIVE: EnvironmentProfile(
            Availability.CLOSED,
            "BitMEX closed on 2026-09-23. Keys can be stored, but no host responds unless another "
            "one is configured.",
            "https://www.bitmex.com/app/apiKeys",
            advice=(_REAL_FUNDS,),
        ),
        Environment.TESTNET: EnvironmentProfile(
            Availability.CLOSED,
            "Closed together with BitMEX on 2026-09-23.",
            "https://testnet.bitmex.com/app/apiKeys",
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields("bitmex", "The ID of the API key.", key_name="ID"),
    permissions=(PermissionName("Order", "Lets the bot place and cancel orders."),),
    forbidden_permissions=(
        PermissionName("Withdraw", "Moves funds out of the account. A bot never needs it."),
    ),
    address_restriction=AddressRestriction(
        "addresses (CIDR) of the key",
        "Enter the addresses of your bot and of this service as the key's CIDR.",
        without=None,
        revealed=True,
    ),
    expiry=Expiry("BitMEX reports no end of a key.", revealed=False),
    setup_steps=(
        "Open Account & Security → API Keys.",
        "Create a key with the permission Order, and set its IP address range (CIDR) if possible.",
        _NO_WITHDRAWAL,
        _COPY,
    ),
)

BYBIT = ExchangeProfile(
    exchange="bybit",
    name="Bybit",
    environments={
        Environment.LIVE: _available(
            "https://www.bybit.com/app/user/api-management",
            "A key works only on the site where its account was opened: choose the region unless "
            "that is bybit.com. The site eu serves registered third-party applications only.",
            _BYBIT_REGIONS,
        ),
        Environment.TESTNET: _available(
            "https://testnet.bybit.com/app/user/api-management",
            "The testnet is a separate site with its own accounts. For a key made in Demo "
            "Trading on the main site, choose the region demo.",
            _BYBIT_TEST_REGIONS,
            (_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.ACCOUNT,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "bybit",
        "The API key, as the exchange shows it.",
        "The secret; for an RSA key, the private key as PEM text without a password.",
    ),
    permissions=(
        PermissionName("Read-Write", "A read-only key cannot place orders."),
        PermissionName(
            "Contract: Orders and Positions", "Lets the bot trade perpetuals and set leverage."
        ),
    ),
    forbidden_permissions=(
        PermissionName(
            "Wallet: Withdraw",
            "Moves funds out of the account. This service rejects keys that have it.",
        ),
        PermissionName(
            "Wallet: Account Transfer, Subaccount Transfer",
            "Move funds between accounts. A bot does not need them.",
        ),
    ),
    address_restriction=AddressRestriction(
        "IP addresses",
        "Bind the addresses of your bot and of this service to the key.",
        without="A key without any expires after about 90 days (the length is unconfirmed).",
        revealed=True,
    ),
    expiry=Expiry(
        "A key that is bound to IP addresses does not expire. One without any expires after about "
        "90 days (the length is unconfirmed); the check of a key finds out the day.",
        revealed=True,
    ),
    setup_steps=(
        "Open API → Create New Key and choose a system-generated key.",
        "Choose Read-Write, and under Contract both Orders and Positions.",
        "Bind IP addresses if possible: a key without any expires after about 90 days.",
        _NO_WITHDRAWAL,
        _COPY,
    ),
    key_pairs=(PairAlgorithm.RSA,),
    key_pair_help=(
        "Open API → Create New Key, choose Self-generated API Key and paste the public key. Bybit "
        "then shows the API key."
    ),
)

BINANCE = ExchangeProfile(
    exchange="binance",
    name="Binance",
    environments={
        Environment.LIVE: _available(
            "https://www.binance.com/en/my/settings/api-management",
            "Binance serves no residents of the EU since 2026-07-01, and it deletes trading keys "
            "that are not restricted to IP addresses after a while.",
        ),
        Environment.TESTNET: _available(
            "https://demo.binance.com/en/my/settings/api-management",
            "Test keys are Demo Trading keys. Demo Trading does not reveal a key's permissions, so "
            "they are shown as unknown.",
            advice=(_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "binance",
        "The API key, as the exchange shows it.",
        "The secret; for an RSA or Ed25519 key, the private key as PEM text without a password.",
    ),
    permissions=(
        PermissionName("Enable Reading", "Lets the bot read balances, orders and positions."),
        PermissionName(
            "Enable Futures",
            "Lets the bot trade perpetuals. For an account with portfolio margin, it is Enable "
            "Portfolio Margin Trading.",
        ),
    ),
    forbidden_permissions=(
        PermissionName(
            "Enable Withdrawals",
            "Moves funds out of the account. This service rejects keys that have it.",
        ),
        PermissionName(
            "Enable Internal Transfer, Permits Universal Transfer",
            "Move funds between accounts. A bot does not need them.",
        ),
    ),
    address_restriction=AddressRestriction(
        "trusted IPs",
        "Restrict access to trusted IPs, and enter the addresses of your bot and of this service.",
        without="Binance deletes a trading key without them after a while.",
        revealed=True,
    ),
    expiry=Expiry(
        "Binance reports no end of a key's futures trading: the end that it shows concerns spot "
        "and margin trading.",
        revealed=False,
    ),
    setup_steps=(
        "Open a futures account first: keys created before that never get the futures permission.",
        "Open Account → API Management → Create API.",
        "Restrict access to trusted IPs: Binance deletes trading keys without them after a while.",
        "Enable the option Enable Futures (Enable Portfolio Margin Trading for such an account).",
        _NO_WITHDRAWAL,
        _COPY,
    ),
    key_pairs=(PairAlgorithm.ED25519, PairAlgorithm.RSA),
    key_pair_help=(
        "Open Account → API Management → Create API, choose Self-generated and paste the public "
        "key. Binance then shows the API key."
    ),
)

KRAKEN = ExchangeProfile(
    exchange="kraken",
    name="Kraken",
    environments={
        Environment.LIVE: _available(
            "https://pro.kraken.com/app/settings/api",
            "Requires a Kraken Futures key: ordinary Kraken keys, which the unified WebSocket of "
            "2026 lets trade derivatives, do not work yet.",
        ),
        Environment.TESTNET: _available(
            "https://demo-futures.kraken.com",
            "The demo has its own sign-up and its own keys.",
            advice=(_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    cross_leverage=False,
    credential_fields=_fields(
        "kraken",
        "The public key of a futures API key.",
        "The private key, base64.",
        key_name="public key",
        secret_name="private key",
        secret_placeholder=f"{'x' * 86}==",
    ),
    permissions=(
        PermissionName(
            "General API: Full access", "Lets the bot read the account and place orders."
        ),
    ),
    forbidden_permissions=(
        PermissionName(
            "Withdrawal API: Full access",
            "Moves funds to the account's spot wallet. This service rejects keys that have it: "
            "choose No access.",
        ),
    ),
    address_restriction=AddressRestriction(
        "allowed IP addresses",
        "Turn on the IP address restriction, and enter the addresses of your bot and of this "
        "service.",
        without=None,
        revealed=True,
    ),
    expiry=Expiry("Kraken reports no end of a futures key.", revealed=False),
    setup_steps=(
        "Open Settings → Connections & API → Futures trading API → Create API key.",
        "Set General API to Full access.",
        "Set Withdrawal API to No access: this service rejects keys that can withdraw.",
        "Turn on the IP address restriction if possible.",
        _COPY,
    ),
)

OKX = ExchangeProfile(
    exchange="okx",
    name="OKX",
    environments={
        Environment.LIVE: _available(
            "https://www.okx.com/account/my-api",
            "A key works only in the region of its account: choose eea or us if the account was "
            "opened there.",
            _OKX_REGIONS,
        ),
        Environment.TESTNET: _available(
            "https://www.okx.com/account/my-api",
            "Test keys are created in Demo Trading.",
            _OKX_REGIONS,
            (
                "A key of Demo Trading does not work live, nor a live key in Demo Trading.",
                _SYNTHETIC,
                _RESETS,
            ),
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "okx",
        "The API key, as the exchange shows it.",
        "The secret key. May be entered together with the passphrase, as secret:passphrase.",
        _PASSPHRASE_HELP,
        secret_name="secret key",
        key_placeholder="xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
    ),
    permissions=(
        PermissionName("Read", "Lets the bot read balances, orders and positions."),
        PermissionName("Trade", "Lets the bot place orders."),
    ),
    forbidden_permissions=(
        PermissionName(
            "Withdraw", "Moves funds out of the account. This service rejects keys that have it."
        ),
    ),
    address_restriction=AddressRestriction(
        "linked IP addresses",
        "Link the addresses of your bot and of this service to the key.",
        without="A live key without any that may trade or withdraw is deleted after 14 days "
        "without use. Demo keys are not.",
        revealed=True,
    ),
    expiry=Expiry(
        "OKX reports no end of a key. A live key without linked IP addresses that may trade or "
        "withdraw is deleted after 14 days without use.",
        revealed=False,
    ),
    setup_steps=(
        "Set the account mode to Futures or higher: an account in Spot mode cannot trade swaps.",
        "Open API → Create API key (for testnet: in Demo Trading) and choose a passphrase.",
        "Give it the permissions Read and Trade.",
        "Bind IP addresses if possible: live keys without any are deleted if unused for 14 days.",
        _NO_WITHDRAWAL,
        _COPY,
    ),
)

KUCOIN = ExchangeProfile(
    exchange="kucoin",
    name="KuCoin",
    environments={
        Environment.LIVE: _available("https://www.kucoin.com/account/api"),
        Environment.TESTNET: EnvironmentProfile(
            Availability.DISCONTINUED,
            "KuCoin shut down its sandbox in 2023. Keys can be stored, but no host responds unless "
            "one is configured.",
            None,
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "kucoin",
        "The API key, as the exchange shows it.",
        "The API secret. May be entered together with the passphrase, as secret:passphrase.",
        _PASSPHRASE_HELP,
        key_placeholder="xxxxxxxxxxxxxxxxxxxxxxxx",
        secret_placeholder="xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
    ),
    permissions=(
        PermissionName("General", "Lets the bot read the account."),
        PermissionName("Futures Trading", "Lets the bot trade perpetuals."),
    ),
    forbidden_permissions=(
        PermissionName(
            "Transfer, Withdrawal", "Move funds out. This service rejects keys that have one."
        ),
    ),
    address_restriction=AddressRestriction(
        "allowed IP addresses",
        "Restrict the key to the addresses of your bot and of this service.",
        without=None,
        revealed=True,
    ),
    expiry=Expiry("KuCoin does not report when a key ends.", revealed=False),
    setup_steps=(
        "Open API Management → Create API and choose a passphrase.",
        "Give it the permissions General and Futures Trading.",
        "Restrict it to your IP addresses if possible.",
        _NO_WITHDRAWAL,
        _COPY,
    ),
)

DERIBIT = ExchangeProfile(
    exchange="deribit",
    name="Deribit",
    environments={
        Environment.LIVE: _available("https://www.deribit.com/account/BTC/API"),
        Environment.TESTNET: _available(
            "https://test.deribit.com/account/BTC/API",
            "The test site has its own accounts and its own keys.",
            advice=(_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_CROSS,
    margin_mode_scope=MarginModeScope.ACCOUNT,
    leverage=LeverageKind.IMPLICIT,
    credential_fields=_fields(
        "deribit",
        "The client id.",
        "The client secret; for an Ed25519 or RSA key, the private key as PEM text without a "
        "password.",
        key_name="client id",
        secret_name="client secret",
        key_placeholder="xxxxxxxx",
    ),
    permissions=(
        PermissionName("account:read", "Lets the bot read the account."),
        PermissionName("trade:read_write", "Lets the bot place orders."),
    ),
    forbidden_permissions=(
        PermissionName(
            "wallet:read_write",
            "Moves funds out of the account. This service rejects keys that have it: choose "
            "wallet: none.",
        ),
    ),
    address_restriction=AddressRestriction(
        "whitelisted IP addresses",
        "Enter the addresses of your bot and of this service. Deribit does not reveal the list to "
        "a check.",
        without=None,
        revealed=False,
    ),
    expiry=Expiry("Deribit does not report whether a key ends.", revealed=False),
    setup_steps=(
        "Open Account → API → Add new key.",
        "Choose account: read and trade: read_write.",
        "Choose wallet: none. Keys with wallet: read_write can withdraw and are rejected.",
        _COPY,
    ),
    key_pairs=(PairAlgorithm.ED25519, PairAlgorithm.RSA),
    key_pair_help=(
        "Open Account → API → Add new key, choose Asymmetric key and paste the public key. Deribit "
        "then shows the client id, which is the API key."
    ),
)

GEMINI = ExchangeProfile(
    exchange="gemini",
    name="Gemini",
    environments={
        Environment.LIVE: EnvironmentProfile(
            Availability.UNCONFIRMED,
            "Perpetuals require a derivatives account, which is not offered in the USA. Gemini "
            "closed its accounts in the UK, the EEA and Australia by 2026-04-06; where perpetuals "
            "are still offered is unconfirmed.",
            "https://exchange.gemini.com/settings/api",
            advice=(_REAL_FUNDS,),
        ),
        Environment.TESTNET: _available(
            "https://exchange.sandbox.gemini.com/settings/api",
            "The sandbox has its own accounts and its own keys.",
            advice=(_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_LINEAR,
    margin_modes=_CROSS,
    margin_mode_scope=MarginModeScope.ACCOUNT,
    leverage=LeverageKind.IMPLICIT,
    credential_fields=_fields(
        "gemini",
        "The API key, beginning with account-. Keys of a group, which begin with master-, are not "
        "accepted.",
        key_placeholder="account-xxxxxxxxxxxxxxxxxxxx",
    ),
    permissions=(PermissionName("Trader", "Lets the bot read the account and place orders."),),
    forbidden_permissions=(
        PermissionName(
            "Fund Manager",
            "Moves funds out of the account. This service rejects keys that have it.",
        ),
    ),
    address_restriction=AddressRestriction(
        "trusted IPs",
        "Enter the addresses of your bot and of this service. Gemini does not reveal the list to a "
        "check.",
        without=None,
        revealed=False,
    ),
    expiry=Expiry("Gemini does not report when a key ends.", revealed=False),
    setup_steps=(
        "Open Settings → API → Create a new API key for your derivatives account.",
        "Give it the role Trader.",
        "Do not enable the role Fund Manager: this service rejects keys that can withdraw.",
        "Do not enable time-based nonces.",
        _COPY,
    ),
)

PHEMEX = ExchangeProfile(
    exchange="phemex",
    name="Phemex",
    environments={
        Environment.LIVE: _available(
            "https://phemex.com/account/api-management",
            "Phemex does not reveal a key's permissions, so they are shown as unknown.",
        ),
        Environment.TESTNET: _available(
            "https://testnet.phemex.com/account/api-management",
            "The testnet has its own accounts, and all its users share one rate limit.",
            advice=(_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "phemex",
        "The ID of the API key.",
        key_name="ID",
        key_placeholder="xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
    ),
    permissions=(PermissionName("Read and Trade", "Lets the bot read the account and trade."),),
    forbidden_permissions=(
        PermissionName(
            "Withdrawal",
            "Moves funds out of the account. Phemex does not reveal to a check whether a key may.",
        ),
    ),
    address_restriction=AddressRestriction(
        "bound IP addresses",
        "Bind the addresses of your bot and of this service to the key. Phemex does not reveal the "
        "list to a check.",
        without=None,
        revealed=False,
    ),
    expiry=Expiry("Phemex does not report when a key ends.", revealed=False),
    setup_steps=(
        "Open API Management → Create New API Key.",
        "Choose Read and Trade, and bind IP addresses if possible.",
        "Do not enable withdrawal. Phemex does not let this service check that.",
        _COPY,
    ),
)

WOOX = ExchangeProfile(
    exchange="woox",
    name="WOO X",
    environments={
        Environment.LIVE: _available(
            "https://woox.io",
            "WebSockets require the account's application id in addition to the key; bots read it "
            "from GET /v3/account/info.",
        ),
        Environment.TESTNET: EnvironmentProfile(
            Availability.AVAILABLE,
            "The staging environment has its own accounts and its own keys.",
            None,
            advice=(_SYNTHETIC, _RESETS),
        ),
    },
    contract_types=_LINEAR,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields("woox", "The API key, as the exchange shows it."),
    permissions=(
        PermissionName("Read", "Lets the bot read the account."),
        PermissionName("Trade", "Lets the bot place orders."),
    ),
    forbidden_permissions=(
        PermissionName(
            "Withdrawal",
            "Moves funds out of the account. Whether WOO X reveals it to a check is unconfirmed.",
        ),
    ),
    address_restriction=AddressRestriction(
        "allowed IP addresses",
        "Bind the addresses of your bot and of this service to the key. Whether WOO X reveals the "
        "list to a check is unconfirmed.",
        without=None,
        revealed=False,
    ),
    expiry=Expiry("WOO X does not report when a key ends.", revealed=False),
    setup_steps=(
        "Open Account → API Management → Create API.",
        "Give it the permissions Read and Trade, and bind IP addresses if possible.",
        _NO_WITHDRAWAL,
        _COPY,
    ),
)

ALL = (BITMEX, BYBIT, BINANCE, KRAKEN, OKX, KUCOIN, DERIBIT, GEMINI, PHEMEX, WOOX)
