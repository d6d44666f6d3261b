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


DEMO = "demo"


def places(exchange: str) -> tuple[str, ...]:
    """Return the environments, and Bybit's Demo Trading, a site of its own beside the testnet."""
    return (*ENVIRONMENTS, DEMO) if exchange == "bybit" else ENVIRONMENTS


def check(exchange: str, environment: str) -> None:
    """Raise `ValueError` for an unknown name, because a typo would otherwise have no effect."""
    if exchange not in EXCHANGES:
        raise ValueError(f"no such exchange: {exchange}")
    if environment not in places(exchange):
        raise ValueError(f"no such environment: {environment}")
