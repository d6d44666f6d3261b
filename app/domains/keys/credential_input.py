"""Turns what a user entered into the one form that everything else uses."""

from dataclasses import dataclass

from app.domains.keys.errors import (
    ContractTypeNotOffered,
    MalformedCredentials,
    PassphraseNotUsed,
    PassphraseRequired,
    PassphraseTwice,
    RegionNotOffered,
)
from app.domains.keys.schemas import CredentialsInput, KeyCreate
from botkeys.exchanges.credential_format import malformed
from botkeys.exchanges.model import ContractType, Credentials, Environment, ExchangeProfile
from botkeys.exchanges.registry import EXCHANGES
from botkeys.sealing.secret import Secret


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


def read_request(new: KeyCreate) -> KeyRequest:
    """Check everything that needs no lookup or call. Raises the refusal that applies."""
    profile = EXCHANGES[new.exchange]
    if new.contract_type not in profile.contract_types:
        raise ContractTypeNotOffered(profile.name, profile.contract_types)
    regions = profile.environments[new.environment].regions
    if new.region is not None and new.region not in regions:
        raise RegionNotOffered(profile.name, regions)
    credentials = read_credentials(new, profile)
    return KeyRequest(
        label=new.label,
        exchange=new.exchange,
        environment=new.environment,
        region=new.region,
        contract_type=new.contract_type,
        credentials=credentials,
        active=new.active,
        verify=new.verify_,
    )


def read_credentials(new: CredentialsInput, profile: ExchangeProfile) -> Credentials:
    """Return the credentials in the form of this exchange. Raises the refusal that applies."""
    credentials = _split(new, profile)
    fault = malformed(profile.exchange, credentials)
    if fault is not None:
        raise MalformedCredentials(fault)
    return credentials


def _split(new: CredentialsInput, profile: ExchangeProfile) -> Credentials:
    """Split `secret:passphrase` at the first colon if the exchange uses a passphrase."""
    if not profile.passphrase_required:
        if new.api_passphrase is not None:
            raise PassphraseNotUsed(profile.name)
        return Credentials(new.api_key, new.api_secret)
    secret, colon, passphrase = new.api_secret.reveal().partition(":")
    if colon and new.api_passphrase is not None:
        raise PassphraseTwice
    if new.api_passphrase is not None:
        return Credentials(new.api_key, new.api_secret, new.api_passphrase)
    if not secret or not passphrase:
        raise PassphraseRequired(profile.name)
    return Credentials(new.api_key, Secret(secret), Secret(passphrase))
