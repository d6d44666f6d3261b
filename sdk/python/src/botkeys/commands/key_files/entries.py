"""What a file with keys holds: keys that can be sent, and entries that cannot, with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botkeys.commands.entered_credentials import Entered
from botkeys.commands.exchange_names import Market
from botkeys.environment import Environment
from botkeys.exchanges.model import ContractType, ExchangeProfile
from botkeys.exchanges.profiles import ALL
from botkeys.sealing.secret import Secret

PROFILES: Mapping[str, ExchangeProfile] = {profile.exchange: profile for profile in ALL}


@dataclass(frozen=True, slots=True, eq=False)
class KeyEntry:
    """A key of a file. `name` is what the file calls it."""

    name: str
    label: str
    market: Market
    credentials: Entered
    active: bool = True


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry that cannot be a key here. `why` is a sentence that quotes no value."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the user states for entries that leave it open."""

    environment: Environment | None = None
    contract_type: ContractType | None = None


Found = KeyEntry | Unusable


class Wrong(Exception):
    """An entry that cannot be a key here. The message quotes no value."""


def member(entry: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these members that has text; raise `Wrong` for one of another type."""
    for name in names:
        value = entry.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise Wrong(f"{name} is not text.")
        return value
    return None


def flag(entry: Mapping[str, Any], *names: str) -> bool:
    return any(entry.get(name) is True for name in names)


def credentials(entry: Mapping[str, Any]) -> Entered:
    """Return the credentials of an entry, by the names that any of the programs use."""
    key = member(entry, "api_key", "apiKey", "key")
    secret = member(entry, "api_secret", "secret")
    passphrase = member(entry, "api_passphrase", "passphrase", "password")
    missing = [name for name, value in (("API key", key), ("secret", secret)) if value is None]
    if key is None or secret is None:
        raise Wrong(f"It has no {' and no '.join(missing)}.")
    return Entered(Secret(key), Secret(secret), None if passphrase is None else Secret(passphrase))


def market(
    exchange: str,
    environment: Environment,
    region: str | None,
    contract_type: ContractType | None,
) -> Market:
    """Return the market if the exchange has it; otherwise raise `Wrong`."""
    profile = PROFILES[exchange]
    offered = profile.contract_types
    chosen = contract_type or (offered[0] if len(offered) == 1 else ContractType.LINEAR)
    if chosen not in offered:
        raise Wrong(f"{profile.name} has no {chosen} contracts.")
    if region is not None and region not in profile.environments[environment].regions:
        raise Wrong(f"{profile.name} {environment} has no region {region}.")
    return Market(exchange, environment, region, str(chosen))
