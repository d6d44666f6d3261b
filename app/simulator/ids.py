"""The ids of exchanges and environments that the whole project uses."""

EXCHANGES = (
    "bitmex",
    "bybit",
    "binance",
    "kraken",
    "okx",
    "kucoin",
    "deribit",
    "gemini",
    "phemex",
    "woox",
)
LIVE = "live"
TESTNET = "testnet"
ENVIRONMENTS = (LIVE, TESTNET)


def check(exchange: str, environment: str) -> None:
    """Raise `ValueError` for an unknown name, because a typo would otherwise have no effect."""
    if exchange not in EXCHANGES:
        raise ValueError(f"no such exchange: {exchange}")
    if environment not in ENVIRONMENTS:
        raise ValueError(f"no such environment: {environment}")
