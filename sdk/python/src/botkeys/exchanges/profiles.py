"""The profiles of the ten exchanges.

Every exchange is offered with both environments. BitMEX has closed and KuCoin's sandbox is gone:
their notes say so, but neither is refused, since a host can be set for either.
"""

from botkeys.exchanges.model import (
    Availability,
    ContractType,
    CredentialField,
    Environment,
    EnvironmentProfile,
    ExchangeProfile,
    LeverageKind,
    MarginMode,
    MarginModeScope,
    PairAlgorithm,
)

_BOTH_TYPES = (ContractType.LINEAR, ContractType.INVERSE)
_LINEAR = (ContractType.LINEAR,)
_BOTH_MODES = (MarginMode.CROSS, MarginMode.ISOLATED)
_CROSS = (MarginMode.CROSS,)
_OKX_REGIONS = ("global", "eea", "us")
_BYBIT_REGIONS = ("global", "nl", "tr", "kz", "ge", "ae", "eu", "id")
_BYBIT_TEST_REGIONS = ("global", "demo")
_NO_WITHDRAWAL = "Do not enable any withdrawal permission: this service rejects keys that have one."
_COPY = "Copy the key and the secret immediately: the secret is shown only once."


def _fields(
    key: str, secret: str = "The secret of the API key.", passphrase: str | None = None
) -> tuple[CredentialField, ...]:
    fields = [CredentialField("api_key", True, key), CredentialField("api_secret", True, secret)]
    if passphrase is not None:
        fields.append(CredentialField("api_passphrase", True, passphrase))
    return tuple(fields)


def _available(
    portal_url: str, note: str | None = None, regions: tuple[str, ...] = ()
) -> EnvironmentProfile:
    return EnvironmentProfile(Availability.AVAILABLE, note, portal_url, regions)


_PASSPHRASE_HELP = (
    "The passphrase chosen when the key was created. Alternatively omit this field and enter "
    "api_secret as secret:passphrase."
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
    credential_fields=_fields("The ID of the API key."),
    required_permissions=("Order",),
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
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.ACCOUNT,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "The API key.", "The secret; for an RSA key, the private key as PEM text."
    ),
    required_permissions=("Read-Write", "Contract: Orders and Positions"),
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
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields(
        "The API key.",
        "The secret; for an RSA or Ed25519 key, the private key as PEM text without a password.",
    ),
    required_permissions=("Enable Reading", "Enable Futures"),
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
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    cross_leverage=False,
    credential_fields=_fields("The public key of a futures API key.", "The private key, base64."),
    required_permissions=("General API: Full access",),
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
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields("The API key.", "The secret key.", _PASSPHRASE_HELP),
    required_permissions=("Read", "Trade"),
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
    credential_fields=_fields("The API key.", "The API secret.", _PASSPHRASE_HELP),
    required_permissions=("General", "Futures Trading"),
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
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_CROSS,
    margin_mode_scope=MarginModeScope.ACCOUNT,
    leverage=LeverageKind.IMPLICIT,
    credential_fields=_fields(
        "The client id.",
        "The client secret; for an Ed25519 or RSA key, the private key as PEM text without a "
        "password.",
    ),
    required_permissions=("account:read", "trade:read_write"),
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
        ),
        Environment.TESTNET: _available(
            "https://exchange.sandbox.gemini.com/settings/api",
            "The sandbox has its own accounts and its own keys.",
        ),
    },
    contract_types=_LINEAR,
    margin_modes=_CROSS,
    margin_mode_scope=MarginModeScope.ACCOUNT,
    leverage=LeverageKind.IMPLICIT,
    credential_fields=_fields("The API key, beginning with account-."),
    required_permissions=("Trader",),
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
        ),
    },
    contract_types=_BOTH_TYPES,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields("The ID of the API key."),
    required_permissions=("Read and Trade",),
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
        ),
    },
    contract_types=_LINEAR,
    margin_modes=_BOTH_MODES,
    margin_mode_scope=MarginModeScope.SYMBOL,
    leverage=LeverageKind.PER_SYMBOL,
    credential_fields=_fields("The API key."),
    required_permissions=("Read", "Trade"),
    setup_steps=(
        "Open Account → API Management → Create API.",
        "Give it the permissions Read and Trade, and bind IP addresses if possible.",
        _NO_WITHDRAWAL,
        _COPY,
    ),
)

ALL = (BITMEX, BYBIT, BINANCE, KRAKEN, OKX, KUCOIN, DERIBIT, GEMINI, PHEMEX, WOOX)
