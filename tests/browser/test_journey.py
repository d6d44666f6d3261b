"""The user's whole document in one visit: from the first sign-in to the closure of the account."""

import secrets
from datetime import UTC, datetime, timedelta

import httpx
from playwright.async_api import Browser, Page, expect

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.scopes import USER_SCOPES
from app.custody.keyfiles import KeyFolder, KeyKind
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from tests.browser.bots import forget
from tests.browser.conftest import Person, watch
from tests.processes.running import Service


async def test_from_the_first_sign_in_to_the_end_of_the_account(
    browsed: Service, browser: Browser
) -> None:
    account = f"journey-{secrets.token_hex(6)}"
    links = OneTimeLinks(KeyFolder(browsed.folder / "keys").read_secret(KeyKind.AUDIT_HMAC))
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(20_000)
    token = DevelopmentIssuer(browsed.folder / "keys").token(account, USER_SCOPES)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=browsed.address, headers=headers, timeout=20) as api:
        person = Person(await context.new_page(), api, browsed, account)
        watch(person)
        await person.opens(links.make(account))
        await person.page.get_by_role("button", name="Sign in").click()
        await adds_a_key(person)
        await chooses_assets(person)
        bot_token = await makes_a_bot(person)
        await sees_the_bot_trade(person, bot_token)
        await switches_environments(person)
        await deletes_the_key(person)
        await closes_the_account(person)
        assert person.faults == []
    await context.close()


async def adds_a_key(person: Person) -> None:
    """Adding a key, testnet mode: the key's configuration page follows."""
    page = person.page
    await expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    await page.get_by_role("button", name="Add API Key").first.click()
    dialog = page.get_by_role("dialog", name="Add API Key")
    await dialog.get_by_label("Exchange", exact=True).select_option("binance")
    box = await dialog.locator(".switch .track").bounding_box()
    assert box is not None
    assert box["width"] > 20  # whether it is on can be seen
    await dialog.get_by_text("Testnet Mode").click()
    await dialog.get_by_label("Label", exact=True).fill("BTC Perps Key")
    await dialog.get_by_role("button", name="Fill in a simulated credential").click()
    await expect(dialog.get_by_label("API Secret")).not_to_have_value("")
    await dialog.get_by_role("button", name="Add Key", exact=True).click()
    await expect(page.get_by_role("heading", name="BTC Perps Key")).to_be_visible()
    await expect(page.get_by_text("Testnet").first).to_be_visible()


async def chooses_assets(person: Person) -> None:
    """Configuring trading assets: leverage within the maximum, margin mode, the data's time."""
    page = person.page
    await page.get_by_role("button", name="Add trading assets").click()
    await page.get_by_label("Search instruments by symbol").fill("BTCUSDT")
    await page.get_by_role("button", name="Add BTCUSDT", exact=True).click()
    settings = page.get_by_role("form", name="Settings of BTCUSDT")
    await expect(settings.get_by_label("Margin Mode")).to_have_value("cross")
    await settings.get_by_label("Leverage").fill("5")
    await settings.get_by_label("Margin Mode").select_option("isolated")
    await settings.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("BTCUSDT was saved.")).to_be_visible()
    await expect(page.get_by_text("Prices and volumes of")).to_be_visible()


async def makes_a_bot(person: Person) -> str:
    """Assigning to bots, on the bot's page."""
    page = person.page
    await place(page, "Bots")
    await page.get_by_role("button", name="Add bot").first.click()
    dialog = page.get_by_role("dialog", name="Add bot")
    await dialog.get_by_label("Name").fill("Grid BTC")
    await dialog.get_by_role("button", name="Add bot").click()
    await page.get_by_role("button", name="Assign a key").click()
    await page.get_by_role("radio", name="BTC Perps Key").check()
    await page.get_by_role("button", name="Assign", exact=True).click()
    await page.get_by_role("button", name="Mint a token").click()
    await page.get_by_role("dialog").get_by_role("button", name="Mint a token").click()
    shown = page.get_by_role("dialog", name="The bot's token")
    await shown.get_by_role("button", name="Copy token").click()
    token: str = await page.evaluate("navigator.clipboard.readText()")
    await shown.get_by_role("button", name="I have stored the token").click()
    return token


async def sees_the_bot_trade(person: Person, token: str) -> None:
    """The bot trades; the page follows it live, and holds in place what a position holds."""
    page = person.page
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=person.service.address, headers=headers) as bot:
        assert (await bot.post("/v1/runtime/heartbeat", json={})).is_success
        await expect(page.get_by_text("online", exact=True).first).to_be_visible()
        report = {"symbol": "BTCUSDT", "side": "long", "quantity": "0.01", "revision": 1}
        for status in ("opening", "open"):
            answer = await bot.put(
                "/v1/runtime/positions/journey",
                json={**report, "status": status, "revision": 1 if status == "opening" else 2},
            )
            assert answer.is_success, answer.text
        await expect(page.get_by_role("button", name="Unassign")).to_be_disabled()
        await place(page, "API keys")
        await page.get_by_role("link", name="BTC Perps Key").click()
        settings = page.get_by_role("form", name="Settings of BTCUSDT")
        await expect(settings.get_by_label("Margin Mode")).to_be_disabled()
        closed = {**report, "status": "closed", "revision": 3, "exit_price": "98000"}
        answer = await bot.put(
            "/v1/runtime/positions/journey", json={**closed, "entry_price": "97000"}
        )
        assert answer.is_success, answer.text
        now = datetime.now(UTC)
        trade = {
            "id": "journey",
            "symbol": "BTCUSDT",
            "side": "long",
            "quantity": "0.01",
            "entry_price": "97000",
            "exit_price": "98000",
            "opened_at": (now - timedelta(minutes=5)).isoformat(),
            "closed_at": now.isoformat(),
        }
        answer = await bot.post("/v1/runtime/trades", json={"items": [trade]})
        assert answer.is_success, answer.text
        await expect(settings.get_by_label("Margin Mode")).to_be_enabled()


async def switches_environments(person: Person) -> None:
    """Testnet data exist now, so that the sidebar has a switch between the two data sets."""
    page = person.page
    await page.reload()
    chosen = page.get_by_role("group", name="Environment")
    await chosen.get_by_role("button", name="Testnet").click()
    await place(page, "Trades")
    await expect(page.get_by_role("table").get_by_text("BTCUSDT")).to_be_visible()
    await chosen.get_by_role("button", name="Live").click()
    await expect(page.get_by_role("table").get_by_text("BTCUSDT")).to_have_count(0)
    await chosen.get_by_role("button", name="Testnet").click()
    await place(page, "Dashboard")
    await place(page, "Analytics")
    await expect(page.get_by_role("heading", name="Analytics")).to_be_visible()
    await place(page, "Activity")
    await expect(page.get_by_role("heading", name="Activity")).to_be_visible()


async def deletes_the_key(person: Person) -> None:
    """Deactivate, unassign, then delete the key with all its data, by its label."""
    page = person.page
    await place(page, "API keys")
    await page.get_by_role("link", name="BTC Perps Key").click()
    await page.get_by_role("switch", name="Active", exact=True).click(force=True)
    await page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    await page.get_by_role("link", name="Grid BTC").first.click()
    await page.get_by_role("button", name="Unassign").click()
    await page.get_by_role("dialog").get_by_role("button", name="Unassign").click()
    await expect(page.get_by_text("This bot has no API key yet.")).to_be_visible()
    await place(page, "API keys")
    await page.get_by_role("link", name="BTC Perps Key").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Delete all associated data").check()
    await dialog.get_by_role("textbox").fill("BTC Perps Key")
    await dialog.get_by_role("button", name="Delete key and data").click()
    await expect(dialog.get_by_text("All associated data are deleted.")).to_be_visible()
    await dialog.get_by_role("button", name="Close").first.click()


async def closes_the_account(person: Person) -> None:
    page = person.page
    await place(page, "Settings")
    await page.get_by_role("button", name="Close account…").click()
    dialog = page.get_by_role("dialog", name="Close account")
    await dialog.get_by_label("Type “close my account” to confirm").fill("close my account")
    await dialog.get_by_role("button", name="Close account").click()
    await expect(page.get_by_role("heading", name="Your account is closed")).to_be_visible()
    forget(person, "401", "403", "404")
    assert (await person.api.get("/v1/account")).status_code == 401


async def place(page: Page, name: str) -> None:
    """Go to a place of the navigation."""
    navigation = page.get_by_role("navigation", name="Pages")
    await navigation.get_by_role("link", name=name, exact=True).click()
