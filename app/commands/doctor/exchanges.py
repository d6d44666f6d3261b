"""The exchanges' hosts: whether each is reached from here, and how far its clock is off."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.commands.doctor.clocks import skew
from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import CALLING, Subject
from app.process.outbound import outbound_of
from app.settings import SettingsError
from botkeys.exchanges.hosts import merged
from botkeys.exchanges.registry import ADAPTERS, Exchanges
from botkeys.transport.client import HttpTransport, Redirected, TransportError, TransportLimits

NAME = "exchanges"
_LIMITS = TransportLimits(attempts=1, connect_timeout=3, read_timeout=3, total_timeout=4)
_SKEW = 2.0
"""Seconds, one of them for what the header leaves out; exchanges reject some more."""


@dataclass(frozen=True, slots=True)
class _Host:
    """A host that stands for one environment of an exchange; `place` says which, without it."""

    place: str
    address: str


async def look(subject: Subject) -> AsyncIterator[Finding]:
    settings = subject.settings
    if subject.part not in CALLING:
        return
    try:
        outbound = outbound_of(settings)
    except SettingsError as error:
        yield fault(NAME, str(error), "See docs/deployment.md, The way out.")
        return
    async with HttpTransport(_LIMITS, outbound=outbound) as transport:
        try:
            Exchanges(transport, hosts=settings.exchange_hosts)
        except ValueError as error:
            yield fault(NAME, f"BOTKEYS_EXCHANGE_HOSTS: {error}.", "See docs/exchanges.md.")
            return
        hosts = _hosts(subject)
        if settings.simulated and not hosts:
            yield ok(NAME, "They are simulated inside the service: none is called.")
            return
        results = await asyncio.gather(*(_reach(transport, host) for host in hosts))
    places: dict[str, list[str | float | None]] = {}
    for host, result in zip(hosts, results, strict=True):
        places.setdefault(host.place, []).append(result)
    away = [
        place for place, found in places.items() if any(isinstance(result, str) for result in found)
    ]
    if places and len(away) == len(places):
        yield fault(
            NAME,
            f"None is reached, of {len(places)} places.",
            "Let this process make https connections to the hosts of docs/exchanges.md.",
        )
        return
    for place in away:
        kind = next(result for result in places[place] if isinstance(result, str))
        yield warning(
            NAME,
            f"{place} is not reached ({kind}): its keys cannot be checked from here.",
            "See whether the exchange is away, or a firewall is in between.",
        )
    apart = [
        found for place in places.values() for found in place if isinstance(found, int | float)
    ]
    if apart and min(map(abs, apart)) > _SKEW:
        yield fault(
            NAME,
            f"Their clocks and this machine's are {min(map(abs, apart)):.0f} s apart or more.",
            "Synchronize this machine's clock (NTP): exchanges reject late requests.",
        )
    reached = len(places) - len(away)
    if reached:
        yield ok(NAME, f"{reached} of {len(places)} are reached: {_names(places, away)}.")


def _hosts(subject: Subject) -> list[_Host]:
    """Return the distinct hosts for requests that the process would call."""
    settings = subject.settings
    found = dict[_Host, None]()
    for exchange, adapter in ADAPTERS.items():
        given = settings.exchange_hosts.get(exchange, {})
        table = merged(exchange, adapter.hosts, given)
        for environment, names in table.items():
            for name, address in names.items():
                if not name.startswith("rest") or address is None:
                    continue
                if settings.simulated and name not in given.get(environment, {}):
                    continue  # inside the service
                found[_Host(f"{exchange} {environment}", address)] = None
    return list(found)


async def _reach(transport: HttpTransport, host: _Host) -> str | float | None:
    """Return the seconds that its clock is ahead, `None` if unknown, or why it is not reached."""
    try:
        return skew(await transport.request("GET", host.address + "/"))
    except Redirected:
        return None
    except TransportError as error:
        return (error.explanation or error.cause).removesuffix(".")


def _names(places: dict[str, list[str | float | None]], away: list[str]) -> str:
    """Return what is reached, the environments of an exchange together."""
    by_exchange: dict[str, list[str]] = {}
    for place in places:
        if place not in away:
            exchange, _, environment = place.partition(" ")
            by_exchange.setdefault(exchange, []).append(environment)
    return ", ".join(f"{name} ({' and '.join(of)})" for name, of in by_exchange.items())
