"""The page with a service that is slow, breaks, or answers nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Person
from tests.processes.trading import new_key


class Trouble(StrEnum):
    """What happens to a request of the page."""

    NONE = "none"
    SLOW = "slow"
    LOST = "lost"
    """No answer arrives."""
    BROKEN = "broken"
    """The answer is a proxy's page."""
    HALF = "half"
    """The answer is JSON that ends in the middle."""
    BUSY = "busy"
    """The service refuses for now."""


_BUSY = {
    "type": "urn:botkeys:problem:rate_limited",
    "title": "Too many requests",
    "status": 429,
    "code": "rate_limited",
    "detail": "Your account sent too many requests. Retry in 1 second.",
}


@asynccontextmanager
async def between(person: Person) -> AsyncIterator[list[Trouble]]:
    """Stand between page and service; the last item of the list is what happens now."""
    now = [Trouble.NONE]

    async def handle(route: Route) -> None:
        match now[-1]:
            case Trouble.NONE:
                await route.fallback()
            case Trouble.SLOW:
                await asyncio.sleep(1.5)
                await route.fallback()
            case Trouble.LOST:
                await route.abort("connectionreset")
            case Trouble.BROKEN:
                await route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway")
            case Trouble.HALF:
                await route.fulfill(content_type="application/json", body='{"items": [{"id"')
            case Trouble.BUSY:
                content_type = "application/problem+json"
                await route.fulfill(status=429, content_type=content_type, body=json.dumps(_BUSY))

    await person.page.route("**/v1/keys*", handle)
    yield now
    await person.page.unroute("**/v1/keys*", handle)
    # Chromium itself notes each answer that is no success.
    person.faults[:] = [one for one in person.faults if "Failed to load resource" not in one]


async def test_a_slow_service_is_waited_for(person: Person) -> None:
    async with between(person) as now:
        now.append(Trouble.SLOW)
        await person.opens("/keys")
        await expect(person.page.get_by_text("Reading")).to_be_visible()
        await expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (Trouble.LOST, "The service did not answer"),
        (Trouble.BROKEN, "Something between this page and the service answered"),
        (Trouble.HALF, "The service did not answer"),
        (Trouble.BUSY, "too many requests"),
    ],
)
async def test_a_failure_is_a_sentence_and_the_page_recovers(
    person: Person, trouble: Trouble, sentence: str
) -> None:
    added = await person.api.post("/v1/keys", json=new_key(label="Survivor"))
    assert added.status_code == 201, added.text
    async with between(person) as now:
        now.append(trouble)
        await person.opens("/keys")
        await expect(person.page.get_by_role("alert")).to_contain_text(sentence)
        await expect(person.page.get_by_role("heading", name="No API keys yet")).to_have_count(0)
        now.append(Trouble.NONE)
        await person.page.get_by_role("button", name="Try again").click()
        await expect(person.page.get_by_role("link", name="Survivor")).to_be_visible()
