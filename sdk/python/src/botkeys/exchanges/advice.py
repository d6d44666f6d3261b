"""What to do about a refusal, in our own sentences: an exchange's text may echo the key.

`advice(exchange, reason, possible)` is for the detail of a problem answer. The table is made of one
sentence per reason, filled with the exchange's own words for its settings; where an exchange
needs another sentence altogether, `_SPECIAL` has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from botkeys.exchanges.model import RefusalReason


@dataclass(frozen=True, slots=True)
class _Words:
    """Where keys are managed, what allows trading, and what an address list is called there."""

    name: str
    page: str
    trading: str
    addresses: str


_WORDS = {
    "bitmex": _Words(
        "BitMEX", "API Keys", "the permission Order", "the addresses (CIDR) of the key"
    ),
    "bybit": _Words(
        "Bybit", "API", "Read-Write with Contract Orders and Positions", "the IP addresses"
    ),
    "binance": _Words(
        "Binance", "API Management", "Enable Reading and Enable Futures", "the trusted IPs"
    ),
    "kraken": _Words(
        "Kraken",
        "Settings → Connections & API → Futures trading API",
        "General API: Full access",
        "the allowed IP addresses",
    ),
    "okx": _Words("OKX", "API", "the permissions Read and Trade", "the linked IP addresses"),
    "kucoin": _Words(
        "KuCoin",
        "API Management",
        "the permissions General and Futures Trading",
        "the allowed IP addresses",
    ),
    "deribit": _Words(
        "Deribit",
        "Account → API",
        "the scopes account:read and trade:read_write",
        "the whitelisted IP addresses",
    ),
    "gemini": _Words("Gemini", "Settings → API", "the role Trader", "the trusted IPs"),
    "phemex": _Words("Phemex", "API Management", "Read and Trade", "the bound IP addresses"),
    "woox": _Words(
        "WOO X", "API Management", "the permissions Read and Trade", "the allowed IP addresses"
    ),
}

_SENTENCES = {
    RefusalReason.INVALID_KEY: "{name} does not know this API key. Copy it again from {page}, or"
    " make a new one: it may have been deleted there.",
    RefusalReason.BAD_SIGNATURE: "{name} knows the API key, but the secret does not belong to it."
    " Copy the secret again; if {name} no longer shows it, make a new key in {page}.",
    RefusalReason.PASSPHRASE: "{name} did not accept the passphrase. It must be the one of this"
    " very key; it cannot be looked up, so if it is lost make a new key in {page}.",
    RefusalReason.IP_NOT_ALLOWED: "{name} does not take this key from our address. In {page}, add"
    " this service's and your bot's addresses to {addresses}.",
    RefusalReason.PERMISSION: "The key lacks a permission. In {page}, give it {trading}.",
    RefusalReason.EXPIRED: "The key has expired at {name}. Make a new one in {page}.",
    RefusalReason.CLOCK_SKEW: "{name} found the time of our request too far from its own. The key"
    " itself was not judged: try again in a moment.",
    RefusalReason.WRONG_ENVIRONMENT: "The key belongs to another environment of {name}. Enter live"
    " keys as live and keys of the test environment as testnet.",
    RefusalReason.NO_ENDPOINT: "No host of {name} is known for this environment, so that the key"
    " could not be checked there.",
    RefusalReason.REFUSED: "{name} refused the key and did not say why. Look in {page} whether"
    " it, or the whole account, has been blocked.",
}

_SPECIAL = {
    ("binance", RefusalReason.WRONG_ENVIRONMENT): "The key belongs to another environment of"
    " Binance. Enter keys of Demo Trading as testnet, all others as live.",
    ("bybit", RefusalReason.INVALID_KEY): "Bybit does not know this API key here. Copy it again"
    " from API and choose the region of the site on which the account was opened; keys of the"
    " testnet are other ones than live keys, and keys of Demo Trading work in neither environment.",
    ("bybit", RefusalReason.EXPIRED): "The key has expired: Bybit ends keys without IP addresses"
    " after about 90 days. Make a new one in API and bind addresses to it.",
    ("kraken", RefusalReason.INVALID_KEY): "Kraken does not know this futures key. Keys for spot"
    " trading do not work: make one under Settings → Connections & API → Futures trading API.",
    ("okx", RefusalReason.WRONG_ENVIRONMENT): "The key belongs to another environment or region"
    " of OKX. Enter keys made inside Demo Trading as testnet, all others as live, and choose the"
    " region (global, eea, us) in which the account was opened.",
    ("okx", RefusalReason.REFUSED): "OKX refused the key, the API or the whole account without a"
    " cause that you could mend in the key. Sign in to OKX and look for a notice.",
    ("kucoin", RefusalReason.PASSPHRASE): "KuCoin did not accept the passphrase, which it is sent"
    " mixed with the secret: check both. They must be those of this very key; neither can be looked"
    " up, so if one is lost make a new key in API Management.",
    ("gemini", RefusalReason.CLOCK_SKEW): "Gemini found the nonce of our request out of order."
    " Switch time-based nonces off for this key in Settings → API, and use it in one bot only.",
    ("deribit", RefusalReason.BAD_SIGNATURE): "Deribit found the client secret not to belong to"
    " the client id. Copy both again from Account → API.",
}

_CAUSES = {
    RefusalReason.INVALID_KEY: "it is wrong, was deleted or belongs to the other environment",
    RefusalReason.BAD_SIGNATURE: "the secret does not belong to the key",
    RefusalReason.PASSPHRASE: "the passphrase is wrong",
    RefusalReason.IP_NOT_ALLOWED: "{addresses} leave our address out",
    RefusalReason.PERMISSION: "it lacks {trading}",
    RefusalReason.EXPIRED: "it has expired",
    RefusalReason.CLOCK_SKEW: "the time of our request was too far off",
    RefusalReason.WRONG_ENVIRONMENT: "it belongs to another environment or region",
}

_SPECIAL_CAUSES = {
    ("kraken", RefusalReason.INVALID_KEY): "it is wrong, was deleted, is a key for spot trading or"
    " belongs to the other environment",
}


def advice(exchange: str, reason: RefusalReason, possible: Sequence[RefusalReason] = ()) -> str:
    """A sentence or two for the user. `possible`: what the exchange does not tell apart."""
    words = _WORDS[exchange]
    filling = {
        "name": words.name,
        "page": words.page,
        "trading": words.trading,
        "addresses": words.addresses,
    }
    causes = [
        _SPECIAL_CAUSES.get((exchange, cause), _CAUSES[cause]).format(**filling)
        for cause in possible
        if cause in _CAUSES
    ]
    if reason is RefusalReason.REFUSED and causes:
        listed = ", or ".join(causes)
        return (
            f"{words.name} refused the key and does not tell which it was: {listed}."
            f" Look at each in {words.page}."
        )
    special = _SPECIAL.get((exchange, reason))
    return special or _SENTENCES[reason].format(**filling)
