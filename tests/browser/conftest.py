"""A real browser on a real service: each test is a person with an account of its own."""

import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    async_playwright,
    expect,
)

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.scopes import USER_SCOPES
from app.custody.keyfiles import KeyFolder, KeyKind
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from tests.processes.running import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = (
    Path(__file__).parents[2] / "scripts" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
)
PATIENCE_MILLISECONDS = 20_000
"""What a step may take on a slow machine; on an idle one it takes a few hundred."""
expect.set_options(timeout=PATIENCE_MILLISECONDS)

expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="session")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Provide the service that all tests with a browser share, each with an account of its own."""
    if CHROMIUM is None:
        pytest.skip("no chromium: install Debian's package to test the dashboard")
    service = Service(tmp_path_factory.mktemp("browsed") / "data")
    try:
        service.ready()
        yield service
    finally:
        service.close()


@pytest.fixture(scope="session")
async def browser(browsed: Service) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        await chromium.close()


@dataclass(slots=True)
class Person:
    """Somebody who is signed in: a page of the browser, and the same account by the API.

    `faults` holds what no page may cause: console errors, exceptions, violations of the content
    policy and requests to other origins. A test that provokes one takes it out of the list.
    """

    page: Page
    api: httpx.AsyncClient
    service: Service
    account: str
    faults: list[str] = field(default_factory=list)

    async def opens(self, path: str) -> None:
        await self.page.goto(self.service.address + path)

    async def sees_no_serious_fault(self) -> None:
        """Check the page with axe-core: nothing serious for people who use assistive technology."""
        await self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = await self.page.evaluate("axe.run(document)")
        serious = [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
        assert not serious, "\n".join(serious)


SignIn = Callable[..., Awaitable[Person]]


@pytest.fixture
async def sign_in(browsed: Service, browser: Browser) -> AsyncIterator[SignIn]:
    """Provide a function that signs a new person in; its options are those of a browser context.

    With `person` the browser gets another tab of the same session.
    """
    persons: list[Person] = []
    async with AsyncExitStack() as stack:

        async def enter(account: str | None = None, **options: Any) -> Person:
            name = account or f"person-{secrets.token_hex(6)}"
            token = DevelopmentIssuer(browsed.folder / "keys").token(name, USER_SCOPES)
            context = await stack.enter_async_context(await browser.new_context(**options))
            context.set_default_timeout(PATIENCE_MILLISECONDS)
            api = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=browsed.address,
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=PATIENCE_MILLISECONDS / 1000,
                )
            )
            await signed_in(context, browsed, name)
            person = Person(await context.new_page(), api, browsed, name)
            watch(person)
            persons.append(person)
            return person

        yield enter
    for person in persons:
        assert person.faults == []


async def signed_in(context: BrowserContext, service: Service, account: str) -> None:
    """Sign a browser in with a one-time link, as its button does."""
    links = OneTimeLinks(KeyFolder(service.folder / "keys").read_secret(KeyKind.AUDIT_HMAC))
    answer = await context.request.post(
        service.address + links.make(account),
        headers={"Sec-Fetch-Site": "same-origin"},
        max_redirects=0,
    )
    assert answer.status == 303, await answer.text()


def watch(person: Person) -> None:
    """Note down what no page may cause."""

    def console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "/v1/events/stream" not in str(
            message.location
        ):
            person.faults.append(f"{message.type}: {message.text} {message.location}")

    def request(sent: Request) -> None:
        if not sent.url.startswith((person.service.address, "data:", "blob:")):
            person.faults.append(f"another origin: {sent.url}")

    person.page.on("console", console)
    person.page.on("pageerror", lambda error: person.faults.append(f"exception: {error}"))
    person.page.on("request", request)


@pytest.fixture
async def person(sign_in: SignIn) -> Person:
    return await sign_in()
