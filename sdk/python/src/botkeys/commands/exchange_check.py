"""Asks an exchange about credentials, and puts the answer into words."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botkeys.commands.connection_options import outbound
from botkeys.commands.endings import BadData, Ending, UsageFault
from botkeys.commands.entered_credentials import Entered, enter_credentials
from botkeys.commands.exchange_names import Market
from botkeys.commands.output import Output, facts
from botkeys.exchanges.advice import advice
from botkeys.exchanges.credential_format import malformed, takes_private_keys
from botkeys.exchanges.errors import (
    BadPayload,
    CredentialsRefused,
    ExchangeError,
    NoEndpoint,
    RateLimited,
    Refused,
    Unreachable,
    Unreadable,
    unclear_reason,
)
from botkeys.exchanges.hosts import HostOverrides
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    ExchangeProfile,
    PermissionAnswer,
)
from botkeys.exchanges.pasted import (
    Adjustment,
    PassphraseFault,
    swapped,
    tidied,
    with_passphrase,
    without_surroundings,
)
from botkeys.exchanges.registry import ADAPTERS, EXCHANGES, Exchanges
from botkeys.transport.client import HttpTransport
from botkeys.transport.deadline import Deadline

if TYPE_CHECKING:
    from rich.console import Console

Hosts = tuple[str | None, str | None]
"""One address for all of the exchange's hosts, or a setting of single ones as JSON."""

_GRACE = 1.0
_SOON_DAYS = 30
_ASKER = "this machine"


class Outcome(StrEnum):
    """What a check found."""

    VALID = "valid"
    DANGEROUS = "dangerous"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"


_ENDINGS = {
    Outcome.VALID: Ending.DONE,
    Outcome.DANGEROUS: Ending.NOT_AS_EXPECTED,
    Outcome.REFUSED: Ending.REFUSED,
    Outcome.UNKNOWN: Ending.AWAY,
    Outcome.UNREACHABLE: Ending.AWAY,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome, with what the exchange states about the key."""

    outcome: Outcome
    reason: str | None = None
    possible: tuple[str, ...] = ()
    exchange_code: str | None = None
    report: CredentialReport | None = None
    advice: tuple[str, ...] = field(default=())


def run(market: Market, source: Path | None, hosts: Hosts, seconds: float, output: Output) -> int:
    """Check the credentials that the user gives, show the result, and return the exit status."""
    overrides = _overrides(market, *hosts)
    profile = EXCHANGES[market.exchange]
    entered = enter_credentials(source, market.exchange, output.warn)
    credentials, adjusted = _tidy(profile, entered)
    finding = asyncio.run(_ask(market, credentials, overrides, seconds))
    document = _document(market, finding, adjusted)
    output.document(document, lambda console: _render(console, profile, document))
    return _ENDINGS[finding.outcome]


def _overrides(market: Market, host: str | None, text: str | None) -> HostOverrides:
    if host is not None:
        simulated = ADAPTERS[market.exchange].simulated(market.environment, host.rstrip("/"))
        return {market.exchange: {market.environment: simulated}}
    if not text:
        return {}
    try:
        hosts = json.loads(text)
    except (ValueError, RecursionError):
        hosts = None
    shaped = isinstance(hosts, dict) and all(
        isinstance(environments, dict)
        and all(isinstance(names, dict) for names in environments.values())
        for environments in hosts.values()
    )
    if not shaped:
        raise UsageFault("BOTKEYS_EXCHANGE_HOSTS is not JSON of exchange, environment and host.")
    checked: HostOverrides = hosts
    return checked


_PASSPHRASE_FAULTS = {
    PassphraseFault.NOT_USED: (
        "passphrase_not_used",
        "{name} keys have no passphrase: leave it out.",
    ),
    PassphraseFault.TWICE: (
        "passphrase_twice",
        "The passphrase stands within the secret and by itself: give it once.",
    ),
    PassphraseFault.MISSING: (
        "passphrase_required",
        "{name} needs a passphrase: give it, or the secret as secret:passphrase.",
    ),
}


def _tidy(profile: ExchangeProfile, entered: Entered) -> tuple[Credentials, tuple[Adjustment, ...]]:
    """Return the credentials in the form of the exchange. Raises BadData for what cannot be one."""
    exchange = profile.exchange
    text, around = without_surroundings(
        "api_secret", entered.api_secret.reveal() if entered.api_secret else ""
    )
    given = with_passphrase(
        entered.api_key, text, entered.api_passphrase, required=profile.passphrase_required
    )
    if isinstance(given, PassphraseFault):
        code, sentence = _PASSPHRASE_FAULTS[given]
        raise BadData(sentence.format(name=profile.name), code=code)
    credentials, inside = tidied(given, takes_pem=takes_private_keys(exchange))
    if swapped(exchange, credentials):
        raise BadData(
            f"API key and secret look swapped: the first is the key of {profile.name}, the second "
            "its secret.",
            code="credentials_swapped",
        )
    fault = malformed(exchange, credentials)
    if fault is not None:
        raise BadData(fault, code="malformed_credentials")
    return credentials, tuple(dict.fromkeys((*around, *inside)))


async def _ask(
    market: Market, credentials: Credentials, hosts: HostOverrides, seconds: float
) -> Finding:
    async with HttpTransport(outbound=outbound()) as transport:
        try:
            adapter = Exchanges(transport, hosts=hosts).adapter(market.exchange)
        except (ValueError, AttributeError, TypeError) as error:
            fault = (
                str(error)
                if isinstance(error, ValueError)
                else "the value must map exchange, environment and host to an address"
            )
            raise UsageFault(f"--host or BOTKEYS_EXCHANGE_HOSTS: {fault}.") from None
        try:
            async with asyncio.timeout(seconds + _GRACE):
                report = await adapter.check_credentials(
                    credentials,
                    market.environment,
                    market.region,
                    ContractType(market.contract_type),
                    Deadline(seconds),
                )
        except (ExchangeError, TimeoutError) as error:
            return _failed(market, error)
    return _accepted(market, report)


def _failed(market: Market, error: ExchangeError | TimeoutError) -> Finding:
    name = EXCHANGES[market.exchange].name
    match error:
        case CredentialsRefused():
            sentence = advice(
                market.exchange,
                error.reason,
                error.possible,
                market.environment,
                asker=_ASKER,
            )
            possible = tuple(str(cause) for cause in error.possible)
            return Finding(Outcome.REFUSED, error.reason, possible, error.code, advice=(sentence,))
        case NoEndpoint():
            reason, sentence = "no_endpoint", f"No host of {name} {market.environment} is known."
        case RateLimited():
            reason, sentence = "rate_limited", f"{name} has too many calls of this address. Wait."
        case Unreadable():
            reason = "bad_answer"
            sentence = f"Something between this machine and {name} answered in its place."
        case BadPayload() | Refused():
            unclear = unclear_reason(error)
            return Finding(
                Outcome.UNKNOWN,
                unclear,
                exchange_code=error.code,
                advice=(f"{name} answered, but neither accepted nor rejected the key.",),
            )
        case Unreachable(explanation=str(explanation)):
            reason, sentence = "no_answer", f"{name} cannot be asked: {explanation}"
        case _:
            reason = "no_answer"
            sentence = f"{name} did not answer. Is this machine connected, and may it call {name}?"
    return Finding(Outcome.UNREACHABLE, reason, advice=(sentence,))


def _accepted(market: Market, report: CredentialReport) -> Finding:
    permissions = report.permissions
    profile = EXCHANGES[market.exchange]
    page = profile.environments[market.environment].portal_url
    sentences: list[str] = []
    outcome = Outcome.VALID
    if permissions.withdraw is PermissionAnswer.YES:
        outcome = Outcome.DANGEROUS
        sentences.append(
            "Anybody who has this key can withdraw the funds. Delete it, and create one without "
            "any withdrawal permission."
        )
    elif permissions.withdraw is PermissionAnswer.UNKNOWN:
        sentences.append(
            f"{profile.name} does not say whether the key can withdraw: look there yourself."
        )
    if permissions.trade is PermissionAnswer.NO:
        needed = ", ".join(profile.required_permissions)
        sentences.append(f"A bot cannot trade with this key. It needs: {needed}.")
    if permissions.ip_restricted is PermissionAnswer.NO:
        sentences.append("The key works from every address: bind it to those of your bots.")
    if report.expires_at is not None:
        left = report.expires_at - datetime.now(UTC)
        if left.days < _SOON_DAYS:
            sentences.append(f"The key ends in {max(left.days, 0)} days.")
    if sentences and page:
        sentences.append(f"Keys are managed at {page}.")
    return Finding(outcome, report=report, advice=tuple(sentences))


def _document(
    market: Market, finding: Finding, adjusted: tuple[Adjustment, ...]
) -> Mapping[str, Any]:
    report = finding.report
    unknown = dict.fromkeys(("read", "trade", "withdraw", "ip_restricted"), "unknown")
    return {
        "outcome": finding.outcome,
        **asdict(market),
        "permissions": unknown if report is None else asdict(report.permissions),
        "expires_at": report.expires_at.isoformat() if report and report.expires_at else None,
        "exchange_account": report.exchange_account if report else None,
        "reason": finding.reason,
        "possible": list(finding.possible),
        "exchange_code": finding.exchange_code,
        "advice": list(finding.advice),
        "adjusted": [
            {"field": each.field, "change": each.change, "detail": str(each)} for each in adjusted
        ],
    }


_VERDICTS = {
    Outcome.VALID: "accepted",
    Outcome.DANGEROUS: "accepted, and DANGEROUS: it can withdraw",
    Outcome.REFUSED: "refused",
    Outcome.UNKNOWN: "not known: neither accepted nor refused",
    Outcome.UNREACHABLE: "not known: the exchange could not be asked",
}


def _render(console: "Console", profile: ExchangeProfile, found: Mapping[str, Any]) -> None:
    where = " ".join(filter(None, (found["environment"], found["region"], found["contract_type"])))
    shown: dict[str, object] = {
        "key": f"of {profile.name}, {where}",
        "result": _VERDICTS[found["outcome"]],
    }
    if found["outcome"] in {Outcome.VALID, Outcome.DANGEROUS}:
        permissions = found["permissions"]
        shown |= {
            "may read": permissions["read"],
            "may trade": permissions["trade"],
            "may withdraw": permissions["withdraw"],
            "bound to addresses": permissions["ip_restricted"],
            "ends": found["expires_at"] or "never, or not known",
            "account": found["exchange_account"] or "not known",
        }
    elif found["exchange_code"]:
        shown["exchange's code"] = found["exchange_code"]
    facts(console, shown)
    for sentence in (*(each["detail"] for each in found["adjusted"]), *found["advice"]):
        console.print(sentence)
