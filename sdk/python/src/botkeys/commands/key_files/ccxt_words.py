"""What ccxt's ids and options say about a key, which passivbot and freqtrade use as well."""

from collections.abc import Mapping
from typing import Any

from botkeys.commands.exchange_names import Market
from botkeys.commands.key_files.entries import Assumptions, Wrong, flag, market
from botkeys.environment import Environment
from botkeys.exchanges.ccxt_ids import from_ccxt
from botkeys.exchanges.model import ContractType, ExchangeId

_SPOT = frozenset({"spot", "margin"})
_INVERSE = frozenset({"inverse", "delivery"})
_LINEAR = frozenset({"linear", "swap", "future", "futures", "perpetual"})
_LONGEST_ID = 20


def ccxt_market(ccxt_id: str, config: Mapping[str, Any], assumed: Assumptions) -> Market:
    """Return what a ccxt id with the constructor's options trades on. Raises `Wrong`."""
    meant = from_ccxt(ccxt_id)
    if meant is None:
        raise Wrong(_not_here(ccxt_id))
    options = config.get("options")
    options = options if isinstance(options, Mapping) else {}
    demo = flag(options, "enableDemoTrading")
    test = demo or flag(config, "sandbox", "testnet") or flag(options, "sandbox", "testnet")
    environment = Environment.TESTNET if test else assumed.environment or Environment.LIVE
    region = meant.region
    if demo and meant.exchange is ExchangeId.BYBIT:
        region = "demo"
    contract_type = meant.contract_type or _contract_type(options) or assumed.contract_type
    return market(meant.exchange, environment, region, contract_type)


def _contract_type(options: Mapping[str, Any]) -> ContractType | None:
    for name in ("defaultSubType", "defaultType"):
        value = options.get(name)
        if value in _INVERSE:
            return ContractType.INVERSE
        if value in _LINEAR:
            # For `swap` and `future`, ccxt takes linear contracts by default.
            return ContractType.LINEAR
    return None


def trades_spot(config: Mapping[str, Any]) -> bool:
    """Return whether the options are those of a spot market."""
    options = config.get("options")
    return isinstance(options, Mapping) and options.get("defaultType") in _SPOT


def _not_here(ccxt_id: str) -> str:
    if ccxt_id.strip().lower() == "kraken":
        return "ccxt's kraken is the spot exchange. Keys of Kraken Futures are krakenfutures there."
    name = ccxt_id if ccxt_id.isalpha() and len(ccxt_id) <= _LONGEST_ID else "Its exchange"
    return f"{name} is none of the exchanges here: {', '.join(ExchangeId)}."
