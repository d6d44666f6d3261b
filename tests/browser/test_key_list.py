"""The table of API keys, in a real browser."""

from playwright.async_api import expect

from tests.browser.conftest import Person
from tests.processes.trading import new_key, sent


async def test_keys_are_found_sorted_and_switched_off(person: Person) -> None:
    page = person.page
    for exchange, label in (("okx", "Beta"), ("bybit", "Alpha"), ("kraken", "Gamma")):
        sent(await person.api.post("/v1/keys", json=new_key(exchange, label=label)), 201)
    await person.opens("/keys")
    table = page.get_by_role("table", name="API keys")
    labels = table.locator('[data-column="label"] a')
    await expect(labels).to_have_text(["Gamma", "Alpha", "Beta"])  # newest first
    await expect(table.get_by_text("Testnet")).to_have_count(3)
    await table.get_by_role("button", name="Label").click()
    await expect(labels).to_have_text(["Alpha", "Beta", "Gamma"])
    await table.get_by_role("button", name="Label").click()
    await expect(labels).to_have_text(["Gamma", "Beta", "Alpha"])
    heading = table.get_by_role("columnheader", name="Label")
    await expect(heading).to_have_attribute("aria-sort", "descending")

    await table.get_by_role("switch", name="Beta is active").click(force=True)
    await expect(table.get_by_text("inactive", exact=True)).to_be_visible()
    await page.get_by_label("Filter by activity").select_option("Inactive")
    await expect(labels).to_have_text(["Beta"])
    await person.sees_no_serious_fault()
    await page.get_by_label("Filter by activity").select_option("Active and inactive")
    await page.get_by_label("Search label, exchange or key").fill("krak")
    await expect(labels).to_have_text(["Gamma"])
    await page.reload()  # the filters stand in the address
    await expect(labels).to_have_text(["Gamma"])
    await page.get_by_label("Filter by environment").select_option("Live")
    await page.get_by_role("button", name="Show all keys").click()
    await expect(labels).to_have_count(3)
