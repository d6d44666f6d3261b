"""The Dashboard: what happened today, what needs attention, what is open."""

from datetime import timedelta

from playwright.async_api import expect

from tests.browser.conftest import Person
from tests.browser.trading import NOW, new_runner, trade


async def test_an_account_with_data_opens_on_its_dashboard(person: Person) -> None:
    page, live = person.page, await new_runner(person, label="Main")
    paper = await new_runner(person, "testnet", label="Paper")
    await paper.reports("trades", trade("paper", exit_price="99000.5"))
    await live.reports("trades", trade("old", NOW - timedelta(days=3)), trade("new"))
    at = NOW.isoformat()
    funding = {"id": "f", "at": at, "symbol": "BTC-USDT-SWAP", "amount": "-1.25", "settle": "USDT"}
    await live.reports("funding", funding)
    await live.reports(
        "equity-snapshots", {"id": "e", "at": at, "equity": "1000", "settle": "USDT"}
    )
    await live.holds("p1", "open", entry_price="97000.5")
    frozen = {"scope": "key", "key_id": live.key["id"], "reason": "Looking into fills"}
    freeze = await person.api.post("/v1/freezes", json=frozen)
    await person.opens("/")
    await expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert page.url.endswith("/overview")
    today = page.get_by_role("region", name="P&L today in USDT")
    await expect(today).to_contain_text("+9.5")
    await expect(today).to_contain_text("1 trade, funding \u22121.25")
    attention = page.get_by_role("region", name="Needs attention")
    await expect(attention).to_contain_text("Offline with 1 open position")
    await expect(attention.get_by_role("link", name="Grid live")).to_be_visible()
    await expect(attention).not_to_contain_text("Paper")
    await expect(page.get_by_role("region", name="Open positions").last).to_contain_text("Main")
    stopped = page.get_by_role("region", name="New positions are stopped for")
    await expect(stopped).to_contain_text("Looking into fills")
    await expect(page.get_by_role("img", name="Equity in USDT").locator("canvas")).to_be_visible()
    await person.sees_no_serious_fault()

    await person.api.delete(f"/v1/freezes/{freeze.json()['id']}")
    await live.holds("p1", "closed", exit_price="97100")
    await expect(stopped).to_have_count(0, timeout=20_000)
    await expect(page.get_by_text("No position is open.")).to_be_visible(timeout=20_000)
