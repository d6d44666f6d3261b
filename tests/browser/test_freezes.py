"""Freezing in a real browser: everything in two clicks, an exchange, and lifting."""

from playwright.async_api import expect

from tests.browser.bots import call, new_key
from tests.browser.conftest import Person, SignIn


async def test_everything_is_frozen_in_two_clicks_and_an_exchange_by_itself(
    person: Person,
) -> None:
    page = person.page
    await person.opens("/bots")
    await page.get_by_role("button", name="Freeze everything").click()
    await page.get_by_role("dialog").get_by_role("button", name="Freeze everything").click()
    banner = page.get_by_role("status").filter(has_text="Everything is frozen since")
    await expect(banner).to_contain_text("They open no new ones until the freeze is lifted.")
    frozen = await call(person, "GET", "/v1/freezes")
    assert [one["scope"] for one in frozen["items"]] == ["account"]
    await person.sees_no_serious_fault()
    await page.get_by_role("navigation").get_by_role("link", name="Freezes").click()
    await expect(page.get_by_role("cell", name="Whole account")).to_be_visible()
    await banner.get_by_role("button", name="Lift the freeze").click()
    await page.get_by_role("dialog").get_by_role("button", name="Lift the freeze").click()
    await expect(page.get_by_role("heading", name="Nothing is frozen")).to_be_visible()
    await expect(banner).to_have_count(0)

    await page.get_by_role("button", name="Freeze an exchange").click()
    await page.get_by_role("combobox", name="Exchange").select_option("Kraken")
    await page.get_by_label("Reason (optional)").fill("Outage")
    await person.sees_no_serious_fault()
    await page.get_by_role("button", name="Freeze the exchange").click()
    await expect(page.get_by_role("row", name="All keys of Kraken")).to_contain_text("Outage")
    await person.sees_no_serious_fault()
    await page.get_by_role("button", name="Lift", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Lift the freeze").click()
    await expect(page.get_by_role("heading", name="Nothing is frozen")).to_be_visible()


async def test_freezing_works_by_keyboard_and_on_a_phone(sign_in: SignIn) -> None:
    person = await sign_in(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = person.page
    key = await new_key(person, "Paper")
    await call(person, "POST", "/v1/freezes", {"scope": "key", "key_id": key["id"]})
    await person.opens("/freezes")
    await expect(page.get_by_role("link", name="Paper")).to_be_visible()
    button = page.get_by_role("button", name="Freeze everything")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_label("Reason (optional)").focus()
    await page.keyboard.type("Something is off")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Something is off").first).to_be_visible()
    await person.sees_no_serious_fault()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
