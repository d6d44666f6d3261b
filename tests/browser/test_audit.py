"""The Audit log: who did what, from where, and how it ended."""

from playwright.async_api import expect

from tests.browser.conftest import Person
from tests.browser.trading import new_runner


async def test_entries_are_in_words_and_found_by_filters(person: Person) -> None:
    page = person.page
    paper = await new_runner(person, "testnet", label="Paper")
    refused = await person.api.delete(f"/v1/keys/{paper.key['id']}")
    assert refused.status_code == 409
    await person.opens("/audit")
    entries = page.get_by_role("table", name="Audit log").get_by_role("row")
    added = entries.filter(has_text="Add an API key")
    await expect(added.get_by_role("link", name="Paper")).to_be_visible()
    await expect(entries.filter(has_text="Sign in")).to_contain_text("You")
    await expect(added).to_contain_text("Testnet")
    await expect(added).to_contain_text("127.0.0.1")
    await expect(added).to_contain_text("done")
    await expect(entries.filter(has_text="refused")).to_contain_text("key assigned")
    await expect(entries.filter(has_text="Add a trading asset")).to_contain_text("BTC-USDT-SWAP")
    await person.sees_no_serious_fault()
    await entries.filter(has_text="Assign a key").get_by_role("button").click()
    await expect(page.get_by_role("dialog")).to_contain_text(paper.key["id"])
    await person.sees_no_serious_fault()
    await page.keyboard.press("Escape")

    await page.get_by_label("What", exact=True).select_option("Add a bot")
    await expect(entries).to_have_count(2)
    await page.get_by_label("Key", exact=True).select_option("Paper")
    await page.get_by_role("heading", name="No entry matches these filters").wait_for()
    await page.get_by_label("What", exact=True).select_option("Add an API key")
    await expect(entries).to_have_count(2)
    await page.get_by_label("Period").select_option("From \u2026 to \u2026")
    await page.get_by_label("To", exact=True).fill("2020-01-01")
    await page.get_by_role("heading", name="No entry matches these filters").wait_for()
