"""Every code that ccxt takes for a matter of key, permission or account is in our tables."""

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest
from ccxt.base.errors import (
    AccountNotEnabled,
    AccountSuspended,
    AuthenticationError,
    InvalidNonce,
    PermissionDenied,
)

from app.domains.runtime.heartbeat.schemas import CredentialsReport
from botkeys.exchanges.base import Unclear, Verdict
from botkeys.exchanges.errors import (
    OTHER_CODE,
    AccountRefused,
    AddressRefused,
    BadSignature,
    ClockSkew,
    CredentialsRefused,
    InvalidKey,
    IpNotAllowed,
    KeyExpired,
    PassphraseRefused,
    PermissionRefused,
    Refused,
    WrongEnvironment,
)
from botkeys.exchanges.registry import ADAPTERS

Rows = dict[str, frozenset[str]]

ITS_NAMES = {
    "bitmex": "bitmex",
    "bybit": "bybit",
    "binance": "binance",
    "kraken": "krakenfutures",
    "okx": "okx",
    "kucoin": "kucoin",
    "deribit": "deribit",
    "gemini": "gemini",
    "phemex": "phemex",
    "woox": "woo",
}

# What we may call what ccxt calls so. A code that tells more may be any refusal of credentials.
SUITABLE: dict[type[Exception], tuple[type, ...]] = {
    InvalidNonce: (ClockSkew,),
    AccountSuspended: (AccountRefused,),
    AccountNotEnabled: (AccountRefused,),
    PermissionDenied: (
        *(PermissionRefused, AccountRefused, IpNotAllowed, AddressRefused, InvalidKey, Unclear),
    ),
    AuthenticationError: (
        *(InvalidKey, BadSignature, PassphraseRefused, KeyExpired, WrongEnvironment, ClockSkew),
        *(PermissionRefused, AccountRefused, IpNotAllowed, AddressRefused, Unclear),
    ),
}

# Codes that we call a plain refusal on purpose, because a key is checked by other calls.
OF_OTHER_CALLS: dict[str, Rows] = {
    "binance": {
        "the life of a stream's listen key": frozenset({"-1125"}),
        "margin loans and transfers": frozenset({"-3014", "-3018", "-3019", "-3036", "-3043"}),
        "programmes for invited users": frozenset({"-3999", "-6003", "-6017", "-13003", "-13007"}),
        # On the futures hosts the same numbers are about orders.
        "withdrawals of the account host": frozenset(
            {"-4004", "-4007", "-4008", "-4010", "-4012", "-4013", "-4015", "-4016", "-4017"}
            | {"-4035", "-4036", "-4039", "-4044", "-4046"}
        ),
        "a user whom a call names": frozenset({"-4080"}),
        "leverage, and pauses that a user asked for": frozenset(
            {"-4192", "-4194", "-4195", "-4200", "-4201", "-4202", "-4203", "-4205", "-4206"}
            | {"-4400", "-4402", "-4403"}
        ),
        "coins, and gift codes": frozenset({"-10047", "-18005"}),
        "single symbols": frozenset(
            {
                "This symbol is restricted for this account.",
                "This symbol is not permitted for this account.",
            }
        ),
    },
    "bybit": {
        "market maker protection": frozenset({"110065", "140065"}),
        "leveraged tokens and the innovation zone": frozenset({"170224", "175010"}),
        "what a liquidation holds up": frozenset({"176035", "176036", "30011", "30012", "30013"}),
    },
    "okx": {
        "transfers, withdrawals and savings": frozenset(
            {"58001", "58002", "58004", "58101", "58204", "58213"}
        ),
        "copy trading, and other accounts": frozenset({"59260", "59262", "59508"}),
        "the manner of a WebSocket login": frozenset(
            {"60008", "60010", "60021", "60022", "60026", "60031"}
        ),
        "channels for higher fee tiers": frozenset({"60029", "60030", "64003"}),
    },
    "kucoin": {"margin trading": frozenset({"101030"})},
    "deribit": {
        "limits of orders and positions": frozenset(
            {"10013", "10014", "10015", "10016", "10017", "10018"}
        ),
        "logins to the website": frozenset(
            {"12000", "12003", "12004", "12998", "12999", "13003", "13005", "13006"}
        ),
    },
    "gemini": {"plain HTTP": frozenset({"NoSSL"})},
}


def leaves(table: Any) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield name, value


def known_to_ccxt(exchange: str) -> list[tuple[str, type[Exception]]]:
    """Return codes and texts with ccxt's error; its generator writes *self* for *this* in texts."""
    table = getattr(ccxt, ITS_NAMES[exchange])().exceptions
    return sorted(
        {
            (name.replace(" self ", " this "), error)
            for name, error in leaves(table)
            if isinstance(error, type) and issubclass(error, AuthenticationError | InvalidNonce)
        },
        key=str,
    )


def verdict_of(exchange: str, name: str) -> Verdict | None:
    """Return our verdict about a code, or about a message that reads like the text."""
    adapter = object.__new__(ADAPTERS[exchange])
    return adapter._verdict(name, "") or adapter._verdict("", f"{name} (words of theirs)")


@pytest.mark.parametrize("exchange", ADAPTERS)
def test_every_code_about_key_or_account_is_a_refusal_with_a_suitable_reason(exchange: str) -> None:
    others = frozenset().union(*OF_OTHER_CALLS.get(exchange, {}).values())
    known = known_to_ccxt(exchange)
    assert known
    for name, error in known:
        verdict = verdict_of(exchange, name)
        assert verdict is not None, (name, error.__name__)
        if name in others:
            assert verdict is Refused, name
            continue
        kind = type(verdict) if isinstance(verdict, Unclear) else verdict
        assert kind in SUITABLE[error], (name, error.__name__, kind.__name__)


def test_the_list_of_plain_refusals_names_what_ccxt_knows_and_nothing_else() -> None:
    for exchange, groups in OF_OTHER_CALLS.items():
        names = {name for name, _ in known_to_ccxt(exchange)}
        for subject, codes in groups.items():
            assert codes <= names, (exchange, subject, codes - names)


@pytest.mark.parametrize("exchange", ADAPTERS)
def test_a_bot_may_report_every_known_code(exchange: str) -> None:
    for code in (*ADAPTERS[exchange].exact_errors, OTHER_CODE, "403", "451"):
        assert CredentialsReport.model_validate(
            {
                "version": 1,
                "status": "unknown",
                "reason": "refused",
                "exchange_code": code,
                "checked_at": "2026-11-22T10:00:00Z",
            }
        )


@pytest.mark.parametrize("exchange", ADAPTERS)
def test_a_verdict_about_credentials_has_a_reason(exchange: str) -> None:
    for code, verdict in ADAPTERS[exchange].exact_errors.items():
        if not isinstance(verdict, Unclear) and issubclass(verdict, CredentialsRefused):
            assert verdict.reason.value != "refused", code
