"""The exchanges for which the proxy signs, and where it finds them."""

from collections.abc import Mapping

from botkeys.exchanges.hosts import HostOverrides, merged
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import ADAPTERS
from botkeys.signing_proxy.binance import SOCKET_API, BinanceDialect
from botkeys.signing_proxy.bybit import BybitDialect
from botkeys.signing_proxy.dialect import Dialect, Market
from botkeys.signing_proxy.okx import OkxDialect

DIALECTS: Mapping[str, type[Dialect]] = {
    dialect.exchange: dialect for dialect in (BinanceDialect, BybitDialect, OkxDialect)
}


def market(
    exchange: str,
    environment: Environment | str,
    contract_type: ContractType | str,
    region: str | None = None,
    hosts: HostOverrides | None = None,
) -> Market:
    """Return the part of an exchange that a key is for, with the addresses of the host table.

    `hosts` replaces single ones, as simulated exchanges do. Raises `ValueError` for an exchange
    that the proxy does not know, and for a host that cannot be right.
    """
    if exchange not in DIALECTS:
        raise ValueError(f"{exchange} is not among {', '.join(DIALECTS)}")
    where, overrides = Environment(environment), (hosts or {}).get(exchange, {})
    chosen = dict(merged(exchange, ADAPTERS[exchange].hosts, overrides)[where])
    if exchange == BinanceDialect.exchange and not overrides.get(where):
        chosen |= SOCKET_API[where]
    return Market(where, region, ContractType(contract_type), chosen)
