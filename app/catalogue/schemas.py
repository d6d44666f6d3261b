"""What an exchange offers, as the dashboard needs it to ask for a key."""

from typing import Annotated

from pydantic import Field

from app.exchanges.model import Availability, ContractType, Environment, ExchangeId, MarginMode
from app.exchanges.profile import LeverageKind, MarginModeScope
from app.schemas import Document


class ExchangeEnvironment(Document):
    """`availability` informs and never refuses a key."""

    availability: Availability
    note: str | None
    portal_url: Annotated[str | None, Field(description="Where keys are made.")]
    regions: Annotated[list[str], Field(description="The first is the default.")]


class CredentialField(Document):
    name: str
    required: bool
    help: str


class Exchange(Document):
    exchange: ExchangeId
    name: str
    environments: dict[Environment, ExchangeEnvironment]
    contract_types: list[ContractType]
    margin_modes: list[MarginMode]
    margin_mode_scope: MarginModeScope
    leverage: LeverageKind
    credential_fields: list[CredentialField]
    required_permissions: list[str]
    setup_steps: list[str]


class ExchangeList(Document):
    items: list[Exchange]
    next_cursor: Annotated[str | None, Field(description="Always null: all fit on one page.")]
