"""All checks at once, each within its time, and their report."""

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from types import ModuleType

from app.commands.doctor import (
    database,
    disk,
    exchanges,
    issuer,
    key_files,
    ports,
    shared_limits,
    variables,
)
from app.commands.doctor.finding import Finding, Level, fault
from app.commands.doctor.part import Part, Subject
from app.settings import PREFIX, Mode, SettingsError, load_settings

SECONDS = 5.0
"""How long one check may take."""

LOOKUPS = 64
"""How many names are looked up at once."""

CHECKS: tuple[ModuleType, ...] = (
    variables,
    key_files,
    database,
    issuer,
    exchanges,
    shared_limits,
    disk,
    ports,
)
"""The checks in the order of the report. Each has a NAME, and `look`, which yields findings."""


def doctor(part: Part | None, report: Callable[[str], None], *, as_json: bool) -> bool:
    """Examine a part and report each finding; return whether there is no fault.

    Without a part it is the one that would start with these settings: `dev` where nothing names a
    mode or a database, `all` otherwise.
    """
    findings = _examined(part)
    healthy = all(finding.level is not Level.FAULT for finding in findings)
    if as_json:
        report(json.dumps({"healthy": healthy, "findings": [asdict(one) for one in findings]}))
        return healthy
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        words = " ".join(filter(None, (finding.sentence, finding.remedy)))
        report(f"{finding.level:<8} {finding.check:<{width}}  {' '.join(words.split())}")
    return healthy


def _examined(part: Part | None) -> list[Finding]:
    named = PREFIX + "MODE" in os.environ or PREFIX + "DATABASE_URL" in os.environ
    developing = part is Part.DEV or (part is None and not named)
    try:
        settings = load_settings(default_mode=Mode.DEVELOPMENT if developing else Mode.PRODUCTION)
    except SettingsError as error:
        return [fault(variables.NAME, line) for line in str(error).splitlines()]
    if part is None:
        part = Part.DEV if settings.mode is Mode.DEVELOPMENT else Part.ALL
    return asyncio.run(_examine(Subject(settings, part)))


async def _examine(subject: Subject) -> list[Finding]:
    # Names are looked up in these threads. By default there are fewer than exchanges, so that a
    # name server that is silent about those would keep the issuer's name waiting.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LOOKUPS))
    return await examine(subject)


async def examine(
    subject: Subject, checks: tuple[ModuleType, ...] = CHECKS, seconds: float = SECONDS
) -> list[Finding]:
    """Return the findings of all checks, which run concurrently."""
    found = await asyncio.gather(*(_findings(check, subject, seconds) for check in checks))
    return [finding for findings in found for finding in findings]


async def _findings(check: ModuleType, subject: Subject, seconds: float) -> list[Finding]:
    """Return what one check finds; what it cannot examine is a fault, named by its kind alone."""
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            async for finding in check.look(subject):
                findings.append(finding)  # noqa: PERF401  # those before a timeout stay
    except TimeoutError:
        findings.append(fault(check.NAME, f"No answer within {seconds:.0f} s."))
    except Exception as error:  # noqa: BLE001  # an error's text may contain what a setting holds
        findings.append(fault(check.NAME, f"It cannot be examined ({type(error).__name__})."))
    return findings
