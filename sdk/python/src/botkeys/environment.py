"""The environments of exchanges, a word that keys, sealed values and adapters share."""

from enum import StrEnum


class Environment(StrEnum):
    """Real money (`live`) or test funds (`testnet`). Their data are never combined."""

    LIVE = "live"
    TESTNET = "testnet"
