"""What a program is given: the credentials of a key, and the exchange that they are for."""

from dataclasses import dataclass
from uuid import UUID

from botkeys.commands.run.refusals import UnknownField
from botkeys.exchanges.ccxt_ids import to_ccxt
from botkeys.exchanges.model import ContractType, Endpoints, Environment, ExchangeId
from botkeys.sealing.secret import Secret

SECRETS = ("api_key", "api_secret", "api_passphrase")
"""The fields that are credentials."""

FACTS = (
    "key_id",
    "label",
    "version",
    "exchange",
    "environment",
    "region",
    "contract_type",
    "ccxt_id",
    "rest_url",
    "websocket_url",
)
"""The fields that anybody may read."""

FIELDS = (*SECRETS, *FACTS)
"""What `--env` and templates may name."""


@dataclass(frozen=True, slots=True)
class Given:
    """Credentials and what is known about their key.

    `endpoints` are where the exchange is reached. Unless these are the exchange's own
    (`own_address`), they stand for all of its hosts: a simulator, a private sandbox or a proxy that
    signs.
    """

    key_id: UUID
    label: str
    version: int
    exchange: ExchangeId
    environment: Environment
    region: str | None
    contract_type: ContractType
    api_key: Secret
    api_secret: Secret
    api_passphrase: Secret | None
    endpoints: Endpoints
    own_address: bool

    @property
    def ccxt_id(self) -> str:
        return to_ccxt(self.exchange, self.region, self.contract_type)

    def field(self, name: str) -> Secret:
        """Return one of `FIELDS`, empty if the key has none. Raises UnknownField."""
        if name in SECRETS:
            secret: Secret | None = getattr(self, name)
            return secret or Secret("")
        facts = {
            "rest_url": self.endpoints.rest,
            "websocket_url": self.endpoints.websocket,
        }
        if name not in FACTS:
            raise UnknownField(name, FIELDS)
        value = facts[name] if name in facts else getattr(self, name)
        return Secret("" if value is None else str(value))

    def facts(self) -> dict[str, str | int | None]:
        """Return everything that is no credential, as JSON has it."""
        return {
            name: self.version if name == "version" else self.field(name).reveal() or None
            for name in FACTS
        }

    def __repr__(self) -> str:
        return f"Given(key={self.key_id}, version={self.version})"
