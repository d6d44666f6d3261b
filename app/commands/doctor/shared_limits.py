"""The server through which processes share their limits."""

from collections.abc import AsyncIterator

from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Subject
from app.limits.shared import SharedStore
from app.settings import SettingsError

NAME = "limits"


async def look(subject: Subject) -> AsyncIterator[Finding]:
    url = subject.settings.limits_url
    if subject.role is None:
        return
    if url is None:
        yield ok(NAME, "Each process limits by itself (BOTKEYS_LIMITS_URL is not set).")
        return
    try:
        store = SharedStore(url.get_secret_value(), subject.settings.ca_file)
    except SettingsError as error:
        yield fault(NAME, str(error))
        return
    try:
        problem = await store.problem()
    finally:
        await store.close()
    if problem is None:
        yield ok(NAME, "The server of BOTKEYS_LIMITS_URL counts requests.")
    else:
        yield warning(
            NAME,
            f"The server of BOTKEYS_LIMITS_URL {problem}: each process limits by itself.",
            problem.remedy,
        )
