"""The API keys of simulated exchanges, all derived from one seed and never stored."""

import base64
import hmac
import string
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_SEED = "botkeys simulator 1"
DAY_MS = 86_400_000
# An address of the documentation block 203.0.113.0/24 (RFC 5737): never one of ours.
ELSEWHERE = "203.0.113.7"

_ALPHANUMERIC = string.ascii_letters + string.digits


class Variant(StrEnum):
    TRADE = "trade"
    TRADE_2 = "trade_2"
    OTHER_ACCOUNT = "other_account"
    READONLY = "readonly"
    WITHDRAW = "withdraw"
    IP_BOUND = "ip_bound"
    EXPIRING = "expiring"
    REVOKED = "revoked"


class Permission(StrEnum):
    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"


class Material:
    """Pseudo-random text for one name, in the alphabets in which exchanges write their keys.

    HKDF-Expand (RFC 5869) with SHA-256; each requested field has a stream of its own. The result is
    no secret: only the simulator accepts these keys.
    """

    def __init__(self, seed: str, *names: str) -> None:
        self._root = hmac.digest(seed.encode(), "\0".join(names).encode(), "sha256")

    def bytes(self, label: str, length: int) -> bytes:
        out = block = b""
        counter = 1
        while len(out) < length:
            message = block + label.encode() + counter.to_bytes(2, "big")
            block = hmac.digest(self._root, message, "sha256")
            out += block
            counter += 1
        return out[:length]

    def alphanumeric(self, label: str, length: int) -> str:
        return "".join(_ALPHANUMERIC[octet % 62] for octet in self.bytes(label, length))

    def digits(self, label: str, length: int) -> str:
        return "".join(str(octet % 9 + 1) for octet in self.bytes(label, length))

    def hex(self, label: str, length: int) -> str:
        return self.bytes(label, length).hex()[:length]

    def base64(self, label: str, length: int) -> str:
        """Return base64 text; `length` counts bytes before encoding."""
        return base64.b64encode(self.bytes(label, length)).decode()

    def uuid(self, label: str) -> str:
        return str(uuid.UUID(bytes=self.bytes(label, 16), version=4))


@dataclass(frozen=True, slots=True)
class KeyText:
    """What the exchange shows once to the user who creates the key."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    api_passphrase: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class SimulatedKey:
    """A key that an exchange knows.

    `account` is the exchange's own id of the account; `addresses` the IP list, empty for none;
    `expires_ms` when the permission to trade lapses; `traits` properties of a single exchange, such
    as OKX's account level (`acctLv`). `public_key` is the PEM that the user registered, for a key
    that signs with a private half; it then has no secret.
    """

    exchange: str
    environment: str
    text: KeyText
    account: str
    permissions: frozenset[Permission]
    addresses: tuple[str, ...] = ()
    expires_ms: int | None = None
    traits: tuple[tuple[str, str], ...] = ()
    public_key: str | None = None

    def may(self, permission: Permission, now_ms: int) -> bool:
        lapsed = self.expires_ms is not None and now_ms >= self.expires_ms
        return permission in self.permissions and not (lapsed and permission is Permission.TRADE)

    def comes_from(self, address: str) -> bool:
        return not self.addresses or address in self.addresses

    def trait(self, name: str, default: str) -> str:
        return dict(self.traits).get(name, default)


FindElsewhere = Callable[[str, str, str], SimulatedKey | None]
"""A search by exchange, environment and key text, for what a store does not know."""


class KeyStore:
    """The keys known to all exchanges. A test may add its own, or remove one."""

    def __init__(
        self, keys: Iterable[SimulatedKey] = (), elsewhere: FindElsewhere | None = None
    ) -> None:
        self._keys: dict[tuple[str, str, str], SimulatedKey] = {}
        self._elsewhere = elsewhere
        for key in keys:
            self.add(key)

    def add(self, key: SimulatedKey) -> None:
        """Add a key, or replace the one with the same exchange, environment and key text."""
        self._keys[key.exchange, key.environment, key.text.api_key] = key

    def remove(self, exchange: str, environment: str, api_key: str) -> None:
        del self._keys[exchange, environment, api_key]

    def find(self, exchange: str, environment: str, api_key: str) -> SimulatedKey | None:
        known = self._keys.get((exchange, environment, api_key))
        if known is None and self._elsewhere is not None:
            return self._elsewhere(exchange, environment, api_key)
        return known

    def of_account(self, exchange: str, environment: str, account: str) -> Iterator[SimulatedKey]:
        """Yield all keys of one account, which some exchanges show to any of them."""
        for key in self._keys.values():
            if (key.exchange, key.environment, key.account) == (exchange, environment, account):
                yield key


def account_of(seed: str, exchange: str, environment: str, variant: Variant) -> str:
    """Return the account id, which all variants share except `other_account`."""
    owner = "second" if variant is Variant.OTHER_ACCOUNT else "first"
    return Material(seed, exchange, environment, "account", owner).digits("uid", 18)


_PERMISSIONS = {
    Variant.READONLY: frozenset({Permission.READ}),
    Variant.WITHDRAW: frozenset(Permission),
}
_TRADING = frozenset({Permission.READ, Permission.TRADE})
_EXPIRES_IN_DAYS = 20


def issue(
    seed: str, exchange: str, environment: str, texts: dict[Variant, KeyText], now_ms: int
) -> Iterator[SimulatedKey]:
    """Yield the keys of one exchange and environment, except the revoked one, which is unknown."""
    midnight = now_ms // DAY_MS * DAY_MS
    for variant, text in texts.items():
        if variant is Variant.REVOKED:
            continue
        yield SimulatedKey(
            exchange=exchange,
            environment=environment,
            text=text,
            account=account_of(seed, exchange, environment, variant),
            permissions=_PERMISSIONS.get(variant, _TRADING),
            addresses=(ELSEWHERE,) if variant is Variant.IP_BOUND else (),
            expires_ms=midnight + _EXPIRES_IN_DAYS * DAY_MS
            if variant is Variant.EXPIRING
            else None,
        )
