"""What surrounds every view of the dashboard, in a real browser."""

from playwright.async_api import expect

from tests.browser.conftest import Person
from tests.processes.trading import new_key


async def test_a_new_account_sees_what_to_do_first(person: Person) -> None:
    await person.opens("/")
    await expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    await person.sees_no_serious_fault()


async def test_a_label_of_markup_is_shown_as_text(person: Person) -> None:
    label = "<img src=x onerror=alert(1)> \u05de\u05e4\u05ea\u05d7"
    added = await person.api.post("/v1/keys", json=new_key(label=label))
    assert added.status_code == 201, added.text
    await person.opens("/keys")
    await expect(person.page.get_by_role("link", name=added.json()["label"])).to_be_visible()
    assert await person.page.locator("main img").count() == 0


async def test_an_address_with_broken_escapes_leads_to_a_page(person: Person) -> None:
    await person.opens("/keys/%E0%A4%A")
    await expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()
