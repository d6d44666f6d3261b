"""Turns what a user entered into the one form that everything else uses."""

from dataclasses import dataclass

from app.domains.keys.errors import (
    ContractTypeNotOffered,
    CredentialsSwapped,
    MalformedCredentials,
    PassphraseNotUsed,
    PassphraseRequired,
    PassphraseTwice,
    RegionNotOffered,
)
from app.domains.keys.schemas import CredentialsInput, KeyCreate
from botkeys.exchanges.credential_format import malformed, takes_private_keys
from botkeys.exchanges.model import ContractType, Credentials, Environment, ExchangeProfile
from botkeys.exchanges.pasted import (
    Adjustment,
    PassphraseFault,
    swapped,
    tidied,
    with_passphrase,
    without_surroundings,
)
from botkeys.exchanges.registry import EXCHANGES


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key to add, checked for its form, with the passphrase in a field of its own."""

    label: str
    exchange: str
    environment: Environment
    region: str | None
    contract_type: ContractType
    credentials: Credentials
    active: bool
    verify: bool
    adjusted: tuple[Adjustment, ...] = ()


def read_request(new: KeyCreate) -> KeyRequest:
    """Check everything that needs no lookup or call. Raises the refusal that applies."""
    profile = EXCHANGES[new.exchange]
    require_offered(profile, new.environment, new.region, new.contract_type)
    credentials, adjusted = read_credentials(new, profile)
    return KeyRequest(
        label=new.label,
        exchange=new.exchange,
        environment=new.environment,
        region=new.region,
        contract_type=new.contract_type,
        credentials=credentials,
        active=new.active,
        verify=new.verify_,
        adjusted=adjusted,
    )


def require_offered(
    profile: ExchangeProfile,
    environment: Environment,
    region: str | None,
    contract_type: ContractType,
) -> None:
    """Refuse a market that the exchange does not have."""
    if contract_type not in profile.contract_types:
        raise ContractTypeNotOffered(profile.name, profile.contract_types)
    regions = profile.environments[environment].regions
    if region is not None and region not in regions:
        raise RegionNotOffered(profile.name, regions)


def read_credentials(
    new: CredentialsInput, profile: ExchangeProfile
) -> tuple[Credentials, tuple[Adjustment, ...]]:
    """Return the credentials in the form of this exchange, and what that changed of their text.

    Raises the refusal that applies.
    """
    whole, around = without_surroundings("api_secret", new.api_secret.reveal())
    credentials, inside = tidied(
        _split(new, whole, profile), takes_pem=takes_private_keys(profile.exchange)
    )
    if swapped(profile.exchange, credentials):
        raise CredentialsSwapped(profile.name)
    fault = malformed(profile.exchange, credentials)
    if fault is not None:
        raise MalformedCredentials(fault)
    changes = sorted(dict.fromkeys((*around, *inside)), key=lambda change: change.field)
    return credentials, tuple(changes)


def _split(new: CredentialsInput, api_secret: str, profile: ExchangeProfile) -> Credentials:
    """Split `secret:passphrase` at the first colon if the exchange uses a passphrase."""
    split = with_passphrase(
        new.api_key, api_secret, new.api_passphrase, required=profile.passphrase_required
    )
    if split is PassphraseFault.NOT_USED:
        raise PassphraseNotUsed(profile.name)
    if split is PassphraseFault.TWICE:
        raise PassphraseTwice
    if split is PassphraseFault.MISSING:
        raise PassphraseRequired(profile.name)
    return split
