"""What the proxy has to know about one exchange; each exchange's module adds a `Dialect`."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from botkeys.exchanges.model import ContractType, Environment
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy.canonical import Call, Pairs
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.guard import Guard
from botkeys.signing_proxy.placeholder import Placeholder
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import Intent, RealCredentials

_DECIMAL = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_SYMBOL = re.compile(r"[^\s&=%?#/\\\"'<>{}\[\],;:]{1,64}")


@dataclass(frozen=True, slots=True)
class Market:
    """The key's part of the exchange. `hosts` are those of its environment, by name."""

    environment: Environment
    region: str | None
    contract_type: ContractType
    hosts: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to the exchange; its repr is bare, since it is signed."""

    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    body: bytes = field(repr=False, default=b"")


Reader = Callable[[Call], Sequence[Intent]]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint that may be called. `host` names where; `reader` returns what a call asks for.

    `signs`: with the real key and a signature; otherwise `keyed` sends the real key alone.
    """

    host: str
    reader: Reader | None = None
    signs: bool = True
    keyed: bool = False

    @property
    def public(self) -> bool:
        return not (self.signs or self.keyed)


class Dialect(ABC):
    """One exchange's addresses, parameters, signatures and errors."""

    exchange: ClassVar[str]

    def __init__(self, market: Market, clock: Callable[[], datetime]) -> None:
        self.market = market
        self.clock = clock

    @abstractmethod
    def placeholder(self) -> Placeholder: ...

    @abstractmethod
    def claimed_key(self, call: Call) -> str | None:
        """Return the API key with which a call is signed; `None` if it is not. Raises `Refusal`
        for a signature without a key.
        """

    @abstractmethod
    def route(self, call: Call) -> Route:
        """Return the route of a call. Raises `Refusal` for one that is not allowed."""

    @abstractmethod
    def unsigned(self, call: Call, api_key: Secret | None) -> Outgoing:
        """Return the call without a signature, with the API key if the route needs that."""

    @abstractmethod
    def signed(self, call: Call, credentials: RealCredentials) -> Outgoing:
        """Return the call as signed with the real key, at this moment."""

    @abstractmethod
    def price_call(self, symbol: str) -> tuple[str, str]:
        """Return host name and target of the public call for a symbol's current price."""

    @abstractmethod
    def price_of(self, payload: Any) -> Decimal | None:
        """Return the price in the answer to `price_call`."""

    @abstractmethod
    def socket(self, path: str, query: Pairs) -> tuple[str, Callable[[Gate], Guard]]:
        """Return the exchange's URL for a WebSocket, and what judges its messages."""

    @abstractmethod
    def error(self, refusal: Refusal) -> tuple[int, Any]:
        """Return status and JSON of a refusal in the exchange's own form."""

    @property
    def suffix(self) -> str:
        """What the names of the hosts of the key's region end with."""
        region = self.market.region
        return "" if region in {None, "global"} else f"_{region}"

    @property
    @abstractmethod
    def websocket_path(self) -> str | None:
        """The path of the base address of WebSockets; `None` if the exchange has none here."""

    def host(self, name: str) -> str:
        address = self.market.hosts.get(name)
        if address is None:
            text = f"{self.exchange} has no such host in this key's environment."
            raise Refusal(RefusalCode.NO_HOST, text)
        return address


def not_allowed(call: Call) -> Refusal:
    text = f"{call.method} {call.path} is not among the calls that this proxy signs."
    return Refusal(RefusalCode.ENDPOINT_NOT_ALLOWED, text)


def object_of(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise malformed("The body is a JSON object.")
    return value


def orders_of(value: Any, most: int) -> Sequence[Mapping[str, Any]]:
    """Return a list of orders, which is neither empty nor too long."""
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise malformed(f"A batch is a list of 1 to {most} orders.")
    return [object_of(order) for order in value]


def text_of(given: Mapping[str, Any], name: str) -> str:
    """Return a parameter that has to be there, as text."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(f"The parameter {name} is missing.")
    return value


def symbol_of(given: Mapping[str, Any], name: str) -> str:
    symbol = text_of(given, name)
    if not _SYMBOL.fullmatch(symbol):
        raise malformed(f"The parameter {name} is not a symbol.")
    return symbol


def one_of(given: Mapping[str, Any], name: str, words: frozenset[str]) -> str:
    word = text_of(given, name)
    if word not in words:
        raise malformed(f"The parameter {name} is none of {', '.join(sorted(words))}.")
    return word


def optional_of(given: Mapping[str, Any], name: str, words: frozenset[str], usual: str) -> str:
    """Return one of the words, `usual` where the parameter is absent or empty."""
    return one_of(given, name, words) if given.get(name) not in {None, ""} else usual


def decimal_of(given: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a plain decimal without a sign, `None` where it is absent or empty."""
    value = given.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise malformed(f"The parameter {name} is not a number.")
    written = value if isinstance(value, str) else format(Decimal(str(value)), "f")
    if not _DECIMAL.fullmatch(written):
        raise malformed(f"The parameter {name} is not a plain number.")
    try:
        return Decimal(written)
    except InvalidOperation:
        raise malformed(f"The parameter {name} is not a plain number.") from None


def highest(*prices: Decimal | None) -> Decimal | None:
    """Return the highest price that is given and not zero."""
    return max((price for price in prices if price), default=None)


def flag_of(given: Mapping[str, Any], name: str) -> bool:
    """Return a flag as JSON's true, or the word in lower case; absent is false."""
    value = given.get(name)
    if value is None or value == "":
        return False
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise malformed(f"The parameter {name} is neither true nor false.")
