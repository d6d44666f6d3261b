"""The account's events in a real browser: as sentences, live, and without moving what is read."""

from playwright.async_api import expect

from tests.browser.bots import call, new_bot, new_key
from tests.browser.conftest import Person


async def test_events_are_sentences_and_new_ones_wait_to_be_shown(person: Person) -> None:
    page = person.page
    key = await new_key(person, "Paper <i>one</i>")
    bot = await new_bot(person, "Grid", key)
    await person.opens("/activity")
    feed = page.get_by_role("main").get_by_role("listitem")
    await expect(feed.first).to_contain_text("was assigned to the bot Grid.")
    await expect(feed.first.get_by_role("link", name="Paper <i>one</i>")).to_have_attribute(
        "href", f"/keys/{key['id']}"
    )
    await expect(page.get_by_text("Connected", exact=True).last).to_be_visible()
    await person.sees_no_serious_fault()
    shown = await feed.count()

    await call(person, "PATCH", f"/v1/bots/{bot['id']}", {"paused": True})
    await call(person, "POST", "/v1/freezes", {"scope": "account", "reason": "Outage"})
    fresh = page.get_by_role("button", name="Show 2 new events")
    await expect(fresh).to_be_visible()
    assert await feed.count() == shown
    await fresh.click()
    await expect(feed.first).to_contain_text("New positions on the whole account are stopped")
    await expect(page.get_by_role("status").filter(has_text="Everything is frozen")).to_be_visible()

    await page.get_by_label("Show").select_option("Bot changed")
    await expect(feed).to_have_count(1)
    await expect(feed.first).to_contain_text("The bot Grid was changed (paused).")
    await page.get_by_label("Show").select_option("Key expired")
    await expect(page.get_by_role("heading", name="No such event")).to_be_visible()
    await person.sees_no_serious_fault()


async def test_a_bot_s_page_follows_what_another_does(person: Person) -> None:
    page = person.page
    bot = await new_bot(person, "Grid")
    await person.opens(f"/bots/{bot['id']}")
    await expect(page.get_by_text("Connected", exact=True).last).to_be_visible()
    await call(person, "PATCH", f"/v1/bots/{bot['id']}", {"name": "Renamed", "paused": True})
    await expect(page.get_by_role("heading", name="Renamed")).to_be_visible(timeout=3_000)
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()


async def test_events_that_never_cease_do_not_keep_a_page_from_reading(person: Person) -> None:
    page = person.page
    bot = await new_bot(person, "Grid")
    await person.opens(f"/bots/{bot['id']}")
    await expect(page.get_by_text("Connected", exact=True).last).to_be_visible()
    await expect(page.get_by_role("heading", name="Grid")).to_be_visible()
    seen: set[str | None] = set()
    number = 0
    # On a busy machine the browser has its turn later; events never cease until it had.
    while len(seen) < 3 and number < 500:
        number += 1
        await call(person, "PATCH", f"/v1/bots/{bot['id']}", {"name": f"Grid {number}"})
        seen.add(await page.locator("h1").text_content())
    assert len(seen) > 1
    await expect(page.get_by_role("heading", name=f"Grid {number}", exact=True)).to_be_visible()
