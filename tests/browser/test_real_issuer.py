"""The sign-in as it is in production: a real browser, the service, and a certified issuer.

oidc-provider runs on Node, for which `make issuer` installs it.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from tests.browser.conftest import CHROMIUM, PATIENCE_MILLISECONDS
from tests.processes.running import Running, Service, environment, free_port

FOLDER = Path(__file__).parents[1] / "real_issuer"
NODE = shutil.which("node")
CLIENT_ID, CLIENT_SECRET = "dashboard", "a secret: of/tests+%"

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
    pytest.mark.skipif(
        NODE is None or not (FOLDER / ".installed").exists(), reason="`make issuer` needs Node"
    ),
]

CALL = """async ([method, path]) => {
    const answer = await fetch(path, {method, headers: {"X-Botkeys": "1"}});
    const text = await answer.text();
    return [answer.status, text ? JSON.parse(text) : null];
}"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[tuple[str, int]]:
    """Provide the issuer's address, and the port of the only page that it knows."""
    port, page = free_port(), free_port()
    command = (str(NODE), "issuer.mjs", str(port), CLIENT_ID, CLIENT_SECRET)
    running = Running(*command, f"http://127.0.0.1:{page}", env=environment(), cwd=FOLDER)
    try:
        assert running.says("listening"), running.text
        yield f"http://127.0.0.1:{port}", page
    finally:
        running.close()


@pytest.fixture(scope="module")
def signing(issuer: tuple[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    address, port = issuer
    service = Service(
        tmp_path_factory.mktemp("signing") / "data",
        port=port,
        oidc_issuer=address,
        dashboard_client_id=CLIENT_ID,
        dashboard_client_secret=CLIENT_SECRET,
    )
    try:
        service.ready()
        yield service
    finally:
        service.close()


async def call(page: Page, method: str, path: str) -> Any:
    return await page.evaluate(CALL, [method, path])


async def sign_in(page: Page, service: Service, name: str) -> str:
    """Sign in at the issuer, whose pages ask for any name and for consent; return the callback."""
    callbacks: list[str] = []

    def note(request: Any) -> None:
        if "/auth/callback" in request.url:
            callbacks.append(request.url)

    page.on("request", note)
    await page.goto(service.address + "/keys?environment=testnet")
    await page.get_by_role("link", name="Sign in").click()
    await page.locator("input[name=login]").fill(name)
    await page.locator("input[name=password]").fill("any")
    await page.locator("button[type=submit]").click()
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(service.address + "/keys?environment=testnet")
    (callback,) = callbacks
    return callback


async def test_a_person_signs_in_with_a_certified_issuer_and_out_again(
    signing: Service, issuer: tuple[str, int]
) -> None:
    """Rule R73."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = await chromium.new_context()
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = await context.new_page()

        callback = await sign_in(page, signing, "alice")
        status, session = await call(page, "GET", "/auth/session")
        assert (status, session["subject"]) == (200, "alice")
        await only_the_session_is_held(context, signing)

        # Another tab has the same session, and another site cannot use or end it.
        tab = await context.new_page()
        await tab.goto(issuer[0] + "/jwks")
        await tab.evaluate(
            "url => fetch(url, {method: 'POST', credentials: 'include', mode: 'no-cors'})",
            signing.address + "/auth/logout",
        )
        await tab.goto(signing.address + "/")
        assert (await call(tab, "GET", "/v1/bots"))[0] == 200

        # An answer counts once, and what it says is not shown.
        replayed = await tab.goto(callback + "&error_description=PLANTED")
        assert replayed is not None
        assert replayed.status == 401
        assert "PLANTED" not in await tab.content()
        await tab.goto(signing.address + "/")
        assert (await call(tab, "GET", "/v1/bots"))[0] == 200

        status, left = await call(page, "POST", "/auth/logout")
        assert status == 200
        assert urlsplit(left["location"]).path == "/session/end"
        status, refused = await call(tab, "GET", "/v1/bots")
        assert (status, refused["reason"]) == (401, "missing")
        await page.goto(left["location"])
        await page.locator("button[name=logout]").click()
        await page.wait_for_url(signing.address + "/**")
        await page.get_by_role("link", name="Sign in").click()
        await page.locator("input[name=login]").wait_for()
        await chromium.close()


async def only_the_session_is_held(context: BrowserContext, service: Service) -> None:
    """Check the cookies of our site, and that its scripts see none of them."""
    held = {one["name"]: one for one in await context.cookies(service.address + "/")}
    assert held["botkeys"]["httpOnly"]
    assert held["botkeys"]["sameSite"] == "Strict"
    assert held["botkeys-sign-in"]["httpOnly"]
    assert await context.pages[0].evaluate("document.cookie") == ""
