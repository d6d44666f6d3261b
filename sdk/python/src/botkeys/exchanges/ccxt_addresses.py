"""The names under which ccxt's classes keep the addresses of an exchange (`urls.api`).

A client of ccxt is led elsewhere, to a sandbox or a proxy, by replacing all of them: a name that is
left out would still reach the exchange itself.
"""

from collections.abc import Mapping

from botkeys.exchanges.model import ExchangeId

_BINANCE_FUTURES = {
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiPrivate": "/fapi/v1",
    "fapiPrivateV2": "/fapi/v2",
    "fapiPrivateV3": "/fapi/v3",
    "dapiPublic": "/dapi/v1",
    "dapiPrivate": "/dapi/v1",
    "dapiPrivateV2": "/dapi/v2",
}
_BINANCE_SPOT = {"public": "/api/v3", "private": "/api/v3", "v1": "/api/v1"}
_BINANCE_DEMO = {
    "fapi": "https://demo-fapi.binance.com",
    "dapi": "https://demo-dapi.binance.com",
    "api": "https://demo-api.binance.com",
}

PATHS: Mapping[ExchangeId, Mapping[str, str]] = {
    ExchangeId.BITMEX: dict.fromkeys(("public", "private"), ""),
    ExchangeId.BYBIT: dict.fromkeys(("spot", "futures", "v2", "public", "private"), ""),
    ExchangeId.BINANCE: {
        **_BINANCE_FUTURES,
        **_BINANCE_SPOT,
        "fapiData": "/futures/data",
        "dapiData": "/futures/data",
        "sapi": "/sapi/v1",
        "sapiV2": "/sapi/v2",
        "sapiV3": "/sapi/v3",
        "sapiV4": "/sapi/v4",
        "eapiPublic": "/eapi/v1",
        "eapiPrivate": "/eapi/v1",
        "papi": "/papi/v1",
        "papiV2": "/papi/v2",
    },
    ExchangeId.KRAKEN: {
        "charts": "/api/charts/",
        "history": "/api/history/",
        "feeschedules": "/api/feeschedules/",
        "public": "/derivatives/api/",
        "private": "/derivatives/api/",
    },
    ExchangeId.OKX: {"rest": ""},
    ExchangeId.KUCOIN: {
        **dict.fromkeys(("public", "private", "futuresPublic", "futuresPrivate", "broker"), ""),
        **dict.fromkeys(("earn", "uta", "utaV2", "utaPrivate"), ""),
        "webExchange": "/_api",
    },
    ExchangeId.DERIBIT: {"rest": ""},
    ExchangeId.GEMINI: dict.fromkeys(("public", "private", "web", "webExchange"), ""),
    ExchangeId.PHEMEX: {"v1": "/v1", "v2": "", "public": "/exchange/public", "private": ""},
    ExchangeId.WOOX: dict.fromkeys(("pub", "public", "private"), ""),
}
"""By exchange and name: the path that ccxt appends to the host."""


def all_at(exchange: ExchangeId, address: str) -> dict[str, str]:
    """Return ccxt's addresses of an exchange if one host stands for all of its hosts."""
    return {name: address + path for name, path in PATHS[exchange].items()}


def binance_demo() -> dict[str, str]:
    """Return ccxt's addresses of Binance's Demo Trading, which its constructor cannot choose."""
    return {
        name: _BINANCE_DEMO[path.split("/")[1]] + path
        for name, path in {**_BINANCE_FUTURES, **_BINANCE_SPOT}.items()
    }
