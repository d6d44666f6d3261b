"""The ids under which ccxt knows the ten exchanges, and what each means here.

ccxt has an id of its own for some regions and contract types: `binanceusdm` is `binance` with
linear contracts, `myokx` is `okx` in the region eea. `from_ccxt` reads such an id, `to_ccxt`
returns the one for a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from botkeys.exchanges.model import ContractType, ExchangeId


@dataclass(frozen=True, slots=True)
class CcxtExchange:
    """What an id of ccxt means. Without a region or contract type, the id leaves it open."""

    exchange: ExchangeId
    region: str | None = None
    contract_type: ContractType | None = None


CCXT_IDS: Mapping[str, CcxtExchange] = {
    "binance": CcxtExchange(ExchangeId.BINANCE),
    "binanceusdm": CcxtExchange(ExchangeId.BINANCE, contract_type=ContractType.LINEAR),
    "binancecoinm": CcxtExchange(ExchangeId.BINANCE, contract_type=ContractType.INVERSE),
    "bitmex": CcxtExchange(ExchangeId.BITMEX),
    "bybit": CcxtExchange(ExchangeId.BYBIT),
    "bybiteu": CcxtExchange(ExchangeId.BYBIT, region="eu"),
    "bybitid": CcxtExchange(ExchangeId.BYBIT, region="id"),
    "deribit": CcxtExchange(ExchangeId.DERIBIT),
    "gemini": CcxtExchange(ExchangeId.GEMINI),
    # ccxt's `kraken` is the spot exchange, whose keys do not work here.
    "krakenfutures": CcxtExchange(ExchangeId.KRAKEN),
    "kucoin": CcxtExchange(ExchangeId.KUCOIN),
    "kucoinfutures": CcxtExchange(ExchangeId.KUCOIN),
    "okx": CcxtExchange(ExchangeId.OKX),
    "okex": CcxtExchange(ExchangeId.OKX),
    "okex5": CcxtExchange(ExchangeId.OKX),
    "myokx": CcxtExchange(ExchangeId.OKX, region="eea"),
    "okxus": CcxtExchange(ExchangeId.OKX, region="us"),
    "phemex": CcxtExchange(ExchangeId.PHEMEX),
    "woo": CcxtExchange(ExchangeId.WOOX, contract_type=ContractType.LINEAR),
}
"""Every id, former ones included."""

_LATER = frozenset({"bybitid"})
"""Ids that older releases of ccxt lack. `bybit` with the region's host is the same in all."""

_BY_CONTRACT_TYPE = {
    (ExchangeId.BINANCE, ContractType.LINEAR): "binanceusdm",
    (ExchangeId.BINANCE, ContractType.INVERSE): "binancecoinm",
}
_BY_REGION: dict[tuple[ExchangeId, str | None], str] = {
    (meant.exchange, meant.region): ccxt_id
    for ccxt_id, meant in CCXT_IDS.items()
    if meant.region is not None and ccxt_id not in _LATER
}
_OTHERWISE = {
    ExchangeId.KRAKEN: "krakenfutures",
    ExchangeId.KUCOIN: "kucoinfutures",
    ExchangeId.WOOX: "woo",
}


def from_ccxt(ccxt_id: str) -> CcxtExchange | None:
    """Return what an id of ccxt means here, in any case of letters; `None` for any other text."""
    return CCXT_IDS.get(ccxt_id.strip().lower())


def to_ccxt(exchange: ExchangeId, region: str | None, contract_type: ContractType) -> str:
    """Return the id of ccxt's class that trades with a key of this kind."""
    return (
        _BY_CONTRACT_TYPE.get((exchange, contract_type))
        or _BY_REGION.get((exchange, region))
        or _OTHERWISE.get(exchange, exchange.value)
    )
