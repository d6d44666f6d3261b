"""What an exchange offers, as the dashboard needs it to ask for a key."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document, NextCursor
from botkeys.exchanges.model import Availability, ContractType, Environment, ExchangeId, MarginMode
from botkeys.exchanges.profile import LeverageKind, MarginModeScope


class ExchangeEnvironment(Document):
    """`availability` informs and never refuses a key."""

    availability: Availability
    note: Annotated[str | None, Field(examples=[None])]
    portal_url: Annotated[
        str | None,
        Field(examples=["https://www.okx.com/account/my-api"], description="Where keys are made."),
    ]
    regions: Annotated[
        list[str], Field(examples=[["global", "eea"]], description="The first is the default.")
    ]


ExchangeEnvironments = TypeAliasType("ExchangeEnvironments", dict[Environment, ExchangeEnvironment])


class CredentialField(Document):
    name: Annotated[str, Field(examples=["api_key"])]
    required: bool
    help: Annotated[str, Field(examples=["The API key as the exchange shows it."])]


class Exchange(Document):
    exchange: Annotated[ExchangeId, Field(examples=["okx"])]
    name: Annotated[str, Field(examples=["OKX"])]
    environments: ExchangeEnvironments
    contract_types: list[ContractType]
    margin_modes: list[MarginMode]
    margin_mode_scope: MarginModeScope
    leverage: Annotated[LeverageKind, Field(examples=["per_symbol"])]
    credential_fields: list[CredentialField]
    required_permissions: Annotated[list[str], Field(examples=[["Read", "Trade"]])]
    setup_steps: Annotated[
        list[str], Field(examples=[["Create an API key with the permissions Read and Trade."]])
    ]


class Instrument(Document):
    """A perpetual contract. `symbol` is the exchange's own; the assets are normalised (XBT: BTC).

    `price` and `volume_24h` (in the quote asset) are those of the last fetch. `max_leverage` is
    null where it is not known. `contract_size` is what one unit of quantity is worth, in the base
    asset (linear) or the quote asset (inverse). `added`: it is one of the key's trading assets.
    """

    symbol: Annotated[str, Field(examples=["BTC-USDT-SWAP"])]
    base: Annotated[str, Field(examples=["BTC"])]
    quote: Annotated[str, Field(examples=["USDT"])]
    settle: Annotated[str, Field(examples=["USDT"])]
    price: Annotated[str | None, Field(examples=["97012.5"])]
    volume_24h: Annotated[str | None, Field(examples=["1840223114.2"])]
    max_leverage: Annotated[str | None, Field(examples=["100"])]
    margin_modes: Annotated[list[MarginMode], Field(examples=[["cross", "isolated"]])]
    tick_size: Annotated[str, Field(examples=["0.1"])]
    lot_size: Annotated[str, Field(examples=["0.01"])]
    contract_size: Annotated[str, Field(examples=["0.01"])]
    added: bool


class CatalogueFreshness(Document):
    """`stale`: prices are older than they should be, or the last attempt failed: `reason`."""

    fetched_at: datetime | None
    stale: bool
    reason: Annotated[
        str | None,
        Field(
            examples=[None],
            description="`no_endpoint`, `no_answer`, `rate_limited`, `bad_answer`, or null.",
        ),
    ]


class InstrumentPage(CatalogueFreshness):
    items: list[Instrument]
    next_cursor: NextCursor


class ExchangeList(Document):
    items: list[Exchange]
    next_cursor: Annotated[
        str | None, Field(description="Always null: all fit on one page.", examples=[None])
    ]
