"""Settings in a real browser: time zone, theme, sessions, bulk deletion and account closure."""

from playwright.async_api import expect

from tests.browser.bots import Json, call, forget, holds, new_bot, new_key, runs
from tests.browser.conftest import Person, SignIn


async def trades(person: Person, bot: Json, number: int) -> None:
    """Let a bot report trades of today."""
    async with runs(person, bot) as client:
        items = [
            {
                "id": f"t-{one}",
                "symbol": "BTCUSDT",
                "side": "long",
                "quantity": "0.01",
                "entry_price": "50000",
                "exit_price": "51000",
                "opened_at": "2026-11-28T00:00:00Z",
                "closed_at": "2026-11-28T01:00:00Z",
            }
            for one in range(number)
        ]
        answer = await client.post("/v1/runtime/trades", json={"items": items})
        assert answer.is_success, answer.text
        assert {one["status"] for one in answer.json()["results"]} == {"stored"}, answer.text


async def test_time_zone_theme_and_sessions(sign_in: SignIn) -> None:
    person = await sign_in()
    other = await sign_in(person.account, viewport={"width": 390, "height": 800})
    page = person.page
    await other.opens("/settings")
    await expect(other.page.get_by_text("this browser", exact=True)).to_be_visible()
    assert await other.page.evaluate("document.documentElement.scrollWidth") <= 390

    await person.opens("/settings")
    await page.get_by_role("combobox", name="Time zone").fill("Nowhere/Atlantis")
    await page.get_by_role("button", name="Save time zone").click()
    await expect(page.get_by_text("must be a name of the IANA time zone database")).to_be_visible()
    forget(person, "422")
    await page.get_by_role("combobox", name="Time zone").fill("Asia/Tokyo")
    await page.get_by_role("button", name="Save time zone").click()
    await expect(page.get_by_text("00:00:00 in Asia/Tokyo")).to_be_visible()
    await expect(page.get_by_text("15:00 UTC")).to_be_visible()

    await page.get_by_role("radio", name="Dark").check()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await person.sees_no_serious_fault()
    await page.reload()
    await expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    await page.get_by_role("button", name="Sign out all other browsers").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("1 browser signed out.")).to_be_visible()
    await other.page.get_by_role("radio", name="Light").check()  # needs no service
    await other.page.get_by_role("button", name="Sign out all other browsers").wait_for()
    await other.page.get_by_role("combobox", name="Time zone").fill("Europe/Prague")
    await other.page.get_by_role("button", name="Save time zone").click()
    await expect(other.page.get_by_text("Your session has ended.")).to_be_visible()
    forget(other, "401")


async def test_a_second_tab_is_signed_out_with_the_first(person: Person) -> None:
    page = person.page
    await person.opens("/bots")
    second = await page.context.new_page()
    await second.goto(person.service.address + "/settings")
    await expect(second.get_by_role("heading", name="Settings")).to_be_visible()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    for tab in (page, second):
        await expect(tab.get_by_role("link", name="Sign in")).to_be_visible()
        await expect(tab.get_by_role("navigation")).to_have_count(0)
    forget(person, "401")


async def test_data_are_deleted_in_bulk_with_a_receipt(person: Person) -> None:
    page = person.page
    bot = await new_bot(person, "Grid", await new_key(person, "Paper"))
    await trades(person, bot, 3)
    await person.opens("/settings")
    await expect(page.get_by_text("Nothing was deleted or imported")).to_be_visible()
    await page.get_by_role("button", name="Delete data…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("radio", name="What happened before a day").check()
    await dialog.get_by_label("Before the day").fill("2026-11-28")
    await person.sees_no_serious_fault()
    await dialog.get_by_role("button", name="Show what would be deleted").click()
    await expect(dialog.get_by_text("There is nothing to delete.")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Delete data")).to_be_disabled()
    await dialog.get_by_role("button", name="Back").click()

    await dialog.get_by_role("radio", name="Some keys").check()
    await dialog.get_by_role("checkbox", name="Paper").check()
    await dialog.get_by_role("button", name="Show what would be deleted").click()
    await expect(dialog.get_by_text("3 trades")).to_be_visible()
    await person.sees_no_serious_fault()
    await expect(dialog.get_by_role("button", name="Delete data")).to_be_disabled()
    await dialog.get_by_label("Type “delete data” to confirm").fill("delete data")
    await dialog.get_by_role("button", name="Delete data").click()
    receipt = page.get_by_role("dialog", name="Receipt")
    await expect(receipt).to_contain_text("Deleted: 3 trades", timeout=20_000)
    await person.sees_no_serious_fault()
    await receipt.get_by_role("button", name="Done").click()
    assert (await call(person, "GET", "/v1/trades?environment=testnet"))["items"] == []
    await expect(page.get_by_text("Deletion of data: one key")).to_be_visible()
    await person.sees_no_serious_fault()


async def test_the_account_is_closed_to_its_end(person: Person) -> None:
    """R26: open positions are in the way unless the closing is forced."""
    page = person.page
    bot = await new_bot(person, "Grid", await new_key(person, "Paper"))
    await person.opens("/settings")
    second = await page.context.new_page()
    await second.goto(person.service.address + "/bots")
    await expect(second.get_by_text("Connected", exact=True).last).to_be_visible()
    await page.get_by_role("button", name="Close account…").click()
    dialog = page.get_by_role("dialog", name="Close account")
    close = dialog.get_by_role("button", name="Close account")
    await expect(close).to_be_disabled()
    await dialog.get_by_label("Type “close my account” to confirm").fill("Close my account")
    await expect(close).to_be_enabled()
    async with runs(person, bot) as client:
        await holds(client)
    await close.click()
    await expect(dialog.get_by_role("alert")).to_contain_text("has 1 open position")
    forget(person, "409")
    await person.sees_no_serious_fault()
    await dialog.get_by_role("checkbox", name="although positions are open").check()
    await close.click()
    await expect(page.get_by_role("heading", name="Your account is closed")).to_be_visible(
        timeout=20_000
    )
    await person.sees_no_serious_fault()
    closed = second.get_by_role("heading", name="Your account is closed")
    await expect(closed).to_be_visible(timeout=20_000)
    await expect(second.get_by_role("navigation")).to_have_count(0)
    await page.get_by_role("link", name="To the sign-in page").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    forget(person, "409", "401", "403")
    assert (await person.api.get("/v1/account")).status_code == 401
