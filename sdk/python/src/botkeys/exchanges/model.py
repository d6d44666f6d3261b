"""The vocabulary of all adapters, and the shape of an exchange's profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from botkeys.environment import Environment
from botkeys.sealing.secret import Secret

__all__ = [
    "AddressRestriction",
    "Availability",
    "ContractKind",
    "ContractType",
    "CredentialField",
    "CredentialReport",
    "Credentials",
    "Endpoints",
    "Environment",
    "EnvironmentProfile",
    "ExchangeId",
    "ExchangeProfile",
    "Expiry",
    "Instrument",
    "LeverageKind",
    "MarginMode",
    "MarginModeScope",
    "PairAlgorithm",
    "PermissionAnswer",
    "PermissionName",
    "Permissions",
    "RefusalReason",
    "Ticker",
    "UnclearReason",
]


class ExchangeId(StrEnum):
    """A supported exchange. The order is that of `listExchanges`."""

    BITMEX = "bitmex"
    BYBIT = "bybit"
    BINANCE = "binance"
    KRAKEN = "kraken"
    OKX = "okx"
    KUCOIN = "kucoin"
    DERIBIT = "deribit"
    GEMINI = "gemini"
    PHEMEX = "phemex"
    WOOX = "woox"


class ContractType(StrEnum):
    """Whether a contract settles in its quote asset (`linear`) or its base asset (`inverse`)."""

    LINEAR = "linear"
    INVERSE = "inverse"


class ContractKind(StrEnum):
    """How a contract turns prices into P&L: `linear` and `inverse` as `ContractType`, or `quanto`.

    A quanto contract is priced in one pair and settles in a third asset. No key trades by this
    kind, but histories contain such contracts.
    """

    LINEAR = "linear"
    INVERSE = "inverse"
    QUANTO = "quanto"


class MarginMode(StrEnum):
    """Whether positions share the account's margin (`cross`) or each has its own (`isolated`)."""

    CROSS = "cross"
    ISOLATED = "isolated"


class PermissionAnswer(StrEnum):
    """The exchange's answer about a permission. `unknown` is not a `no`."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Availability(StrEnum):
    """Whether the exchange offers the environment: `closed` to new users, `discontinued`, or
    `unconfirmed` if nothing reliable is known.
    """

    AVAILABLE = "available"
    CLOSED = "closed"
    DISCONTINUED = "discontinued"
    UNCONFIRMED = "unconfirmed"


class MarginModeScope(StrEnum):
    """What one choice of margin mode applies to: one symbol, or the whole exchange account."""

    SYMBOL = "symbol"
    ACCOUNT = "account"


class LeverageKind(StrEnum):
    """Whether leverage is set per symbol, or follows from size and margin (`implicit`)."""

    PER_SYMBOL = "per_symbol"
    IMPLICIT = "implicit"


class PairAlgorithm(StrEnum):
    """An algorithm of key pairs of which an exchange registers the public half."""

    ED25519 = "ed25519"
    RSA = "rsa"


class RefusalReason(StrEnum):
    """Why an exchange rejected credentials; `refused` if it does not distinguish the causes."""

    INVALID_KEY = "invalid_key"
    BAD_SIGNATURE = "bad_signature"
    PASSPHRASE = "passphrase"
    IP_NOT_ALLOWED = "ip_not_allowed"
    PERMISSION = "permission"
    EXPIRED = "expired"
    CLOCK_SKEW = "clock_skew"
    WRONG_ENVIRONMENT = "wrong_environment"
    ACCOUNT = "account"
    NO_ENDPOINT = "no_endpoint"
    REFUSED = "refused"


class UnclearReason(StrEnum):
    """Why an exchange that answered neither accepted nor rejected credentials.

    `refused`: with a code that says nothing certain about them; `address_refused`: a firewall, or a
    rule about countries; `bad_answer`: it makes no sense.
    """

    REFUSED = "refused"
    ADDRESS_REFUSED = "address_refused"
    BAD_ANSWER = "bad_answer"


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """The parts of a key. `api_key` is sealed like the secret, and so is boxed like it."""

    api_key: Secret
    api_secret: Secret
    api_passphrase: Secret | None = None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key permits, and whether it is bound to addresses."""

    read: PermissionAnswer = PermissionAnswer.UNKNOWN
    trade: PermissionAnswer = PermissionAnswer.UNKNOWN
    withdraw: PermissionAnswer = PermissionAnswer.UNKNOWN
    ip_restricted: PermissionAnswer = PermissionAnswer.UNKNOWN


@dataclass(frozen=True, slots=True)
class CredentialReport:
    """The outcome of a credential check that the exchange accepted.

    `exchange_account` is the exchange's own id of the account, if it gives one: the caller stores
    only a keyed hash of it. `max_leverage` maps the exchange's symbols to the maximum that only a
    signed call returns (Binance); empty elsewhere.
    """

    permissions: Permissions
    expires_at: datetime | None = None
    exchange_account: str | None = None
    max_leverage: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instrument:
    """A contract as its exchange lists it now: a perpetual, or a `dated` one.

    `symbol` is the exchange's own spelling; `base`, `quote`, `settle` are normalised (XBT is BTC).
    `contract_size` is the base amount (linear) or the quote amount (inverse) of one unit of
    quantity; `tick_size` the price step, `lot_size` the quantity step, `min_quantity` the smallest
    order, all in the exchange's units. `max_leverage` is `None` if the exchange does not state it.
    `expires_at` is when a dated contract is delivered, or when one ends that is perpetual in all
    else (OKX's X-Perps); `None` for others.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    contract_type: ContractType
    contract_size: Decimal
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    max_leverage: Decimal | None
    margin_modes: tuple[MarginMode, ...]
    expires_at: datetime | None = None
    dated: bool = False


@dataclass(frozen=True, slots=True)
class Ticker:
    """A last price. `volume_24h` is converted to the quote asset; `None` means unknown."""

    symbol: str
    price: Decimal | None
    volume_24h: Decimal | None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses that a bot connects to for one environment, region and contract type."""

    rest: str | None
    websocket: str | None


@dataclass(frozen=True, slots=True)
class EnvironmentProfile:
    """One environment. `availability` only informs; the first region is the default.

    `region_names` says in people's words which site each region is, `advice` what to know before
    a key of this environment is used, in sentences.
    """

    availability: Availability
    note: str | None
    portal_url: str | None
    regions: tuple[str, ...] = ()
    region_names: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CredentialField:
    """A field of the form in which a user enters a key.

    `pattern` is a regular expression for the whole of what is entered. `multiline`: the value may
    be PEM text. `within`: the other field in which the value may be entered too.
    """

    name: str
    required: bool
    help: str
    label: str
    secret: bool
    pattern: str
    min_length: int
    max_length: int
    placeholder: str
    multiline: bool = False
    within: str | None = None


@dataclass(frozen=True, slots=True)
class PermissionName:
    """A permission as the exchange calls it, with a sentence about it."""

    name: str
    help: str


@dataclass(frozen=True, slots=True)
class AddressRestriction:
    """How a key is bound to addresses: `name` is the exchange's word for the list of them.

    `without`: what happens to keys that have none, if that is known. `revealed`: whether a check
    of a key finds out.
    """

    name: str
    help: str
    without: str | None
    revealed: bool


@dataclass(frozen=True, slots=True)
class Expiry:
    """When keys end by themselves. `revealed`: whether a check of a key finds out."""

    help: str
    revealed: bool


@dataclass(frozen=True, slots=True)
class ExchangeProfile:
    """One item of GET /v1/exchanges.

    `cross_leverage`: whether a leverage is set with cross margin too. At Kraken it is what makes a
    position isolated.
    `key_pairs`: which key pairs can be made for it, the recommended first; `key_pair_help`: where
    the public half is registered. `permissions` are those to give, `forbidden_permissions` those
    that a bot's key must never have.
    """

    exchange: str
    name: str
    environments: Mapping[Environment, EnvironmentProfile]
    contract_types: tuple[ContractType, ...]
    margin_modes: tuple[MarginMode, ...]
    margin_mode_scope: MarginModeScope
    leverage: LeverageKind
    credential_fields: tuple[CredentialField, ...]
    permissions: tuple[PermissionName, ...]
    forbidden_permissions: tuple[PermissionName, ...]
    address_restriction: AddressRestriction
    expiry: Expiry
    setup_steps: tuple[str, ...]
    key_pairs: tuple[PairAlgorithm, ...] = ()
    key_pair_help: str | None = None
    cross_leverage: bool = True

    @property
    def required_permissions(self) -> tuple[str, ...]:
        return tuple(permission.name for permission in self.permissions)

    @property
    def leverage_margin_modes(self) -> tuple[MarginMode, ...]:
        """Return the margin modes with which a leverage is set; none where it is implicit."""
        if self.leverage is LeverageKind.IMPLICIT:
            return ()
        modes = self.margin_modes
        return tuple(mode for mode in modes if self.cross_leverage or mode is not MarginMode.CROSS)

    @property
    def shares_margin_mode(self) -> bool:
        """Return whether all symbols of an exchange account have one margin mode, of several."""
        return self.margin_mode_scope is MarginModeScope.ACCOUNT and len(self.margin_modes) > 1

    @property
    def passphrase_required(self) -> bool:
        return any(field.name == "api_passphrase" for field in self.credential_fields)
