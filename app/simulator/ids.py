"""The ids by which exchanges and environments are called everywhere in the project."""

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
    """Raise `ValueError` for a name that no simulator answers to: a typo would do nothing."""
    if exchange not in EXCHANGES:
        raise ValueError(f"no such exchange: {exchange}")
    if environment not in ENVIRONMENTS:
        raise ValueError(f"no such environment: {environment}")
