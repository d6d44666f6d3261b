"""The Positions page: open ones first, closed ones with the reason, closing by hand."""

from playwright.async_api import expect

from tests.browser.conftest import SignIn
from tests.browser.trading import new_runner


async def test_a_position_is_followed_from_its_request_to_its_end(sign_in: SignIn) -> None:
    person = await sign_in(color_scheme="dark")
    page, live = person.page, await new_runner(person)
    await person.opens("/positions")
    await page.get_by_role("heading", name="No live positions yet").wait_for()
    paper = await new_runner(person, "testnet", label="Paper")
    await live.holds("p1", "open", entry_price="97000.5", leverage="10", margin_mode="cross")
    await live.holds("p1", "closed", exit_price="97100")
    await live.holds("p2", "opening", side="short")
    await live.holds("p3", "open", entry_price="97000.5")
    await paper.holds("p4", "open")
    await page.reload()
    held = page.get_by_role("table", name="Open positions").get_by_role("row")
    ended = page.get_by_role("table", name="Closed positions").get_by_role("row")
    await expect(held).to_have_count(3)
    await expect(held.nth(1)).to_contain_text("being opened")
    await expect(ended).to_have_count(2)
    await expect(ended.last).to_contain_text("by its bot")
    await expect(ended.last).to_contain_text("10\u00d7 cross")
    await person.sees_no_serious_fault()

    await held.last.get_by_role("button", name="Mark as closed").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("no order is sent to the exchange")
    await person.sees_no_serious_fault()
    await dialog.get_by_role("button", name="Mark as closed").click()
    await expect(dialog).to_have_count(0)
    await expect(held).to_have_count(2)
    await expect(ended.filter(has_text="by hand")).to_have_count(1)
    closed = (await person.api.get("/v1/positions?environment=live&status=closed")).json()
    assert {one["id"]: one["close_reason"] for one in closed["items"]} == {
        "p1": "reported",
        "p3": "by_hand",
    }

    await page.set_viewport_size({"width": 390, "height": 844})
    await held.last.get_by_role("button", name="BTC-USDT-SWAP", exact=True).click()
    await expect(dialog).to_contain_text("Reserved until")
    await expect(dialog.get_by_role("button", name="Mark as closed")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
