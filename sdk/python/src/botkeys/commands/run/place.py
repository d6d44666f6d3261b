"""Where a key's exchange is: one of its own sites, or an address that stands for all of them."""

from dataclasses import dataclass

from botkeys.exchanges.model import ContractType, Environment, ExchangeId
from botkeys.exchanges.registry import ADAPTERS, Exchanges
from botkeys.transport.client import HttpTransport


@dataclass(frozen=True, slots=True)
class Place:
    """The region of a site, and whether the address is the exchange's own."""

    region: str | None
    is_own: bool


def place_of(
    http: HttpTransport,
    exchange: ExchangeId,
    environment: Environment,
    contract_type: ContractType,
    rest: str | None,
) -> Place:
    """Return where the address is; without one, the exchange's own default. It calls nobody."""
    if rest is None:
        return Place(None, is_own=True)
    adapter = Exchanges(http).adapter(exchange)
    for region in (None, *sorted(ADAPTERS[exchange].regions)):
        if adapter.endpoints(environment, region, contract_type).rest == rest:
            return Place(region, is_own=True)
    return Place(None, is_own=False)
