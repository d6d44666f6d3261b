"""What to do about a refusal, in our own sentences: an exchange's text may echo the key.

`advice(exchange, reason, …)` is for the detail of a problem answer. The table is made of one
sentence per reason, filled with the exchange's own words for its settings; where an exchange
needs another sentence altogether, `_SPECIAL` has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from botkeys.exchanges.model import Environment, RefusalReason
from botkeys.exchanges.profiles import ALL


@dataclass(frozen=True, slots=True)
class _Words:
    """Where keys are managed, and what allows trading."""

    name: str
    page: str
    trading: str


_WORDS = {
    "bitmex": _Words("BitMEX", "API Keys", "the permission Order"),
    "bybit": _Words("Bybit", "API", "Read-Write with Contract Orders and Positions"),
    "binance": _Words("Binance", "API Management", "Enable Reading and Enable Futures"),
    "kraken": _Words(
        "Kraken", "Settings → Connections & API → Futures trading API", "General API: Full access"
    ),
    "okx": _Words("OKX", "API", "the permissions Read and Trade"),
    "kucoin": _Words("KuCoin", "API Management", "the permissions General and Futures Trading"),
    "deribit": _Words("Deribit", "Account → API", "the scopes account:read and trade:read_write"),
    "gemini": _Words("Gemini", "Settings → API", "the role Trader"),
    "phemex": _Words("Phemex", "API Management", "Read and Trade"),
    "woox": _Words("WOO X", "API Management", "the permissions Read and Trade"),
}

_ADDRESSES = {profile.exchange: f"the {profile.address_restriction.name}" for profile in ALL}

_SENTENCES = {
    RefusalReason.INVALID_KEY: "{name} does not recognise this API key. Copy it again from {page}; "
    "if it was deleted there, create a new one.",
    RefusalReason.BAD_SIGNATURE: "{name} recognises the API key, but the secret does not belong to "
    "it. Copy the secret again; if {name} no longer shows it, create a new key in {page}.",
    RefusalReason.PASSPHRASE: "{name} did not accept the passphrase. It must be the passphrase of "
    "this key. {name} does not show it again; if it is lost, create a new key in {page}.",
    RefusalReason.IP_NOT_ALLOWED: "{name} does not accept this key from {asker}'s address. In "
    "{page}, add the addresses of {asker} and of your bot to {addresses}.",
    RefusalReason.PERMISSION: "The key lacks a permission. In {page}, give it {trading}.",
    RefusalReason.EXPIRED: "The key has expired at {name}. Create a new one in {page}.",
    RefusalReason.CLOCK_SKEW: "The time of the request differed too much from {name}'s clock, so "
    "the key was not checked. Try again in a moment.",
    RefusalReason.WRONG_ENVIRONMENT: "The key belongs to another environment of {name}. Add live "
    "keys as live, and keys of the test environment as testnet.",
    RefusalReason.ACCOUNT: "{name} refuses the account, not the key: it is suspended, restricted, "
    "not identified yet or not set up for perpetuals. Sign in to {name} and look for a notice.",
    RefusalReason.NO_ENDPOINT: "No host of {name} is known for this environment, so the key could "
    "not be checked.",
    RefusalReason.REFUSED: "{name} rejected the key without giving a reason. Check in {page} "
    "whether the key or the whole account has been blocked.",
}

_SPECIAL = {
    (
        "binance",
        RefusalReason.WRONG_ENVIRONMENT,
    ): "The key belongs to another environment of Binance. Add Demo Trading keys as testnet, all "
    "others as live.",
    (
        "bybit",
        RefusalReason.INVALID_KEY,
    ): "Bybit does not recognise this API key in this environment and region. Copy it again from "
    "API and choose the region of the site where the account was opened. Testnet, Demo Trading and "
    "live keys are different: add Demo Trading keys as testnet with the region demo.",
    (
        "bybit",
        RefusalReason.EXPIRED,
    ): "The key has expired: Bybit expires keys without IP addresses after about 90 days. Create a "
    "new one in API and bind IP addresses to it.",
    (
        "kraken",
        RefusalReason.INVALID_KEY,
    ): "Kraken does not recognise this futures key. Ordinary Kraken keys, which trade derivatives "
    "over the unified WebSocket of 2026 only, do not work: create one under Settings → Connections "
    "& API → Futures trading API.",
    (
        "okx",
        RefusalReason.WRONG_ENVIRONMENT,
    ): "The key belongs to another environment or region of OKX. Add keys created in Demo Trading "
    "as testnet, all others as live, and choose the region (global, eea, us) where the account was "
    "opened.",
    (
        "okx",
        RefusalReason.REFUSED,
    ): "OKX rejected the key, the API or the whole account for a reason that cannot be fixed in "
    "the key. Sign in to OKX and look for a notice.",
    (
        "kucoin",
        RefusalReason.PASSPHRASE,
    ): "KuCoin did not accept the passphrase, which is sent signed with the secret: check both. "
    "They must belong to this key. KuCoin shows neither again; if one is lost, create a new key in "
    "API Management.",
    (
        "gemini",
        RefusalReason.CLOCK_SKEW,
    ): "Gemini rejected the nonce of the request as out of order. Turn off time-based nonces for "
    "this key in Settings → API, and use the key in one bot only.",
    (
        "deribit",
        RefusalReason.BAD_SIGNATURE,
    ): "The client secret does not belong to the client id at Deribit. Copy both again from "
    "Account → API.",
}

_CAUSES = {
    RefusalReason.INVALID_KEY: "it is wrong, was deleted or belongs to the other environment",
    RefusalReason.BAD_SIGNATURE: "the secret does not belong to the key",
    RefusalReason.PASSPHRASE: "the passphrase is wrong",
    RefusalReason.IP_NOT_ALLOWED: "{addresses} do not include {asker}'s address",
    RefusalReason.PERMISSION: "it lacks {trading}",
    RefusalReason.EXPIRED: "it has expired",
    RefusalReason.CLOCK_SKEW: "the time of the request differed too much from the exchange's clock",
    RefusalReason.WRONG_ENVIRONMENT: "it belongs to another environment or region",
    RefusalReason.ACCOUNT: "its account is suspended, restricted or not set up for perpetuals",
}

_SPECIAL_CAUSES = {
    ("kraken", RefusalReason.INVALID_KEY): "it is wrong, was deleted, is a key for spot trading or"
    " belongs to the other environment",
}


# Where keys of the test environment are made. KuCoin has none.
_TEST_PLACES = {
    "bitmex": "testnet.bitmex.com",
    "bybit": "testnet.bybit.com or in Demo Trading",
    "binance": "demo.binance.com (Demo Trading)",
    "kraken": "demo-futures.kraken.com",
    "okx": "OKX in Demo Trading",
    "deribit": "test.deribit.com",
    "gemini": "exchange.sandbox.gemini.com",
    "phemex": "testnet.phemex.com",
    "woox": "the staging site of WOO X",
}
_UNKNOWN_THERE = frozenset({RefusalReason.INVALID_KEY, RefusalReason.WRONG_ENVIRONMENT})


def advice(
    exchange: str,
    reason: RefusalReason,
    possible: Sequence[RefusalReason] = (),
    environment: Environment | None = None,
    *,
    asker: str = "this service",
) -> str:
    """Return a sentence or two for the user. `possible`: what the exchange does not tell apart;
    `environment`: the one in which the exchange may not know the key; `asker`: from where the
    exchange was asked.
    """
    sentence = _advice(exchange, reason, possible, asker)
    place = _TEST_PLACES.get(exchange)
    if environment is None or place is None or "testnet" in sentence:
        return sentence
    if not _UNKNOWN_THERE.intersection((reason, *possible)):
        return sentence
    if environment is Environment.LIVE:
        return f"{sentence} If the key was made at {place}, add it as testnet."
    return f"{sentence} If the key was not made at {place}, add it as live."


def _advice(
    exchange: str, reason: RefusalReason, possible: Sequence[RefusalReason], asker: str
) -> str:
    words = _WORDS[exchange]
    filling = {
        "name": words.name,
        "page": words.page,
        "trading": words.trading,
        "addresses": _ADDRESSES[exchange],
        "asker": asker,
    }
    causes = [
        _SPECIAL_CAUSES.get((exchange, cause), _CAUSES[cause]).format(**filling)
        for cause in possible
        if cause in _CAUSES
    ]
    if reason is RefusalReason.REFUSED and causes:
        listed = ", or ".join(causes)
        return (
            f"{words.name} rejected the key without saying which of these applies: {listed}."
            f" Check each in {words.page}."
        )
    special = _SPECIAL.get((exchange, reason))
    return special or _SENTENCES[reason].format(**filling)
