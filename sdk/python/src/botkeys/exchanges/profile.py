"""What a user must know of an exchange before entering a key: the shape of a profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from botkeys.exchanges.model import Availability, ContractType, Environment, MarginMode


class MarginModeScope(StrEnum):
    """What one choice of margin mode applies to: one symbol, or the whole exchange account."""

    SYMBOL = "symbol"
    ACCOUNT = "account"


class LeverageKind(StrEnum):
    """Whether leverage is set per symbol, or follows from size and margin (`implicit`)."""

    PER_SYMBOL = "per_symbol"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class EnvironmentProfile:
    """`availability` informs and never refuses. `regions`: the first one is the default."""

    availability: Availability
    note: str | None
    portal_url: str | None
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CredentialField:
    name: str
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class ExchangeProfile:
    """One item of GET /v1/exchanges."""

    exchange: str
    name: str
    environments: Mapping[Environment, EnvironmentProfile]
    contract_types: tuple[ContractType, ...]
    margin_modes: tuple[MarginMode, ...]
    margin_mode_scope: MarginModeScope
    leverage: LeverageKind
    credential_fields: tuple[CredentialField, ...]
    required_permissions: tuple[str, ...]
    setup_steps: tuple[str, ...]

    @property
    def passphrase_required(self) -> bool:
        return any(field.name == "api_passphrase" for field in self.credential_fields)
