"""The Analytics page: figures, curves and results, never added up over assets or environments."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Person, SignIn
from tests.browser.trading import NOW, Runner, new_runner, trade

DAYS = timedelta(days=1)


async def two_keys(person: Person) -> tuple[Runner, Runner]:
    """Report trades and equity of two live keys, one of them in two assets, and a testnet key."""
    first = await new_runner(person, label="First")
    second = await new_runner(person, label="Second", variant="other_account")
    paper = await new_runner(person, "testnet", label="Paper")
    await first.reports("trades", trade("a"), trade("b", NOW - 2 * DAYS, exit_price="96900.5"))
    await first.reports("trades", trade("c", symbol="NOSUCH-USDT-SWAP"))
    coin: dict[str, Any] = {"symbol": "BTC-USD-SWAP", "contract_size": "100"}
    coin["contract_type"] = "inverse"
    await second.reports("trades", trade("d"), trade("e", **coin))
    await paper.reports("trades", trade("f", exit_price="99000.5"))
    for runner, equity in ((first, 1000), (second, 2000), (paper, 9000)):
        hours = [*range(20), *range(60, 80)]  # away for 40 hours
        snapshots = [
            {"id": f"e{n}", "at": (NOW - timedelta(hours=n)).isoformat(), "settle": "USDT"}
            | {"equity": f"{equity - n}.25"}
            for n in hours
        ]
        await runner.reports("equity-snapshots", *snapshots)
    return first, second


async def test_figures_are_those_of_the_api_and_each_asset_stands_alone(person: Person) -> None:
    """Rule R82."""
    page = person.page
    await two_keys(person)
    await person.opens("/analytics")
    summary = (await person.api.get("/v1/analytics/summary?environment=live")).json()
    figures = {item["settle"]: item for item in summary["items"]}
    assert set(figures) == {"BTC", "USDT"}
    for settle, item in figures.items():
        card = page.get_by_role("region", name=f"Figures in {settle}")
        sign = "+" if float(item["net_pnl"]) > 0 else ""
        title = f"{sign}{item['net_pnl']}".replace("-", "\u2212")
        await expect(card.get_by_title(title, exact=True).first).to_be_visible()
        await expect(card.get_by_text("Win rate")).to_have_attribute(
            "title", "Wins divided by trades."
        )
    await expect(page.get_by_text("1 trade without P&L")).to_be_visible()
    curves = page.get_by_role("img")
    equity = curves.filter(has=page.locator("canvas")).first
    await expect(page.get_by_role("img", name="Equity in USDT")).to_have_count(1)
    label = await page.get_by_role("img", name="Equity in USDT").get_attribute("aria-label")
    assert label is not None
    assert "First: 921.25 on" in label
    assert "Second: 1921.25 on" in label
    assert "9000" not in label
    await expect(equity).to_be_visible()
    await person.sees_no_serious_fault()

    await page.get_by_text("All points of Equity as a table").click()
    points = page.get_by_role("table", name="Points of Equity")
    await expect(points.get_by_text("1\u202f000.25")).to_be_visible()
    await page.get_by_text("All points of Equity as a table").click()

    results = page.get_by_role("table", name="Results by key").get_by_role("row")
    await expect(results).to_have_count(4)  # with the heading; one key has two assets
    await page.get_by_role("button", name="Day", exact=True).click()
    await expect(page.get_by_role("img", name="Net P&L by day in USDT")).to_be_visible()
    await page.get_by_role("button", name="Symbol", exact=True).click()
    await expect(page.get_by_role("table", name="Results by symbol")).to_contain_text(
        "BTC-USD-SWAP"
    )
    await page.get_by_label("Symbol", exact=True).fill("BTC-USD-SWAP")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Realised P&L and funding of BTC-USD-SWAP")).to_be_visible()
    await expect(page.get_by_role("img", name="Drawdown in BTC")).to_have_count(1)
    await expect(page.get_by_role("img", name="Equity in USDT")).to_have_count(0)
    await page.get_by_role("button", name="Clear filters").first.click()
    await page.get_by_role("button", name="Testnet", exact=True).click()
    await expect(page.get_by_role("region", name="Figures in USDT")).to_contain_text("+39.5")
    await expect(page.get_by_role("region", name="Figures in BTC")).to_have_count(0)
    await person.sees_no_serious_fault()


@pytest.mark.torture
async def test_ten_thousand_points_are_drawn_at_once(sign_in: SignIn) -> None:
    person = await sign_in(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = person.page
    await new_runner(person, label="Dense")

    async def dense(route: Route) -> None:
        points = [point(n) for n in range(10_000)]
        body = {"environment": "live", "from": None, "to": None, "next_cursor": None}
        items = [{"settle": "USDT", "points": points}]
        await route.fulfill(
            body=json.dumps({**body, "items": items}), content_type="application/json"
        )

    await page.route("**/v1/analytics/equity-curve?*", dense)
    await person.opens("/analytics?period=all")
    await page.get_by_role("img", name="Drawdown in USDT").locator("canvas").wait_for()
    started = time.monotonic()
    await page.emulate_media(color_scheme="light")
    await page.get_by_role("img", name="Equity in USDT").locator("canvas").wait_for()
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert time.monotonic() - started < 3  # three charts again, on a busy machine
    await page.get_by_text("All points of Equity as a table").click()
    table = page.get_by_role("table", name="Points of Equity")
    await expect(table).to_have_attribute("aria-rowcount", "10001")
    assert await table.get_by_role("row").count() < 80
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await person.sees_no_serious_fault()


def point(n: int) -> dict[str, Any]:
    """Return a point of an equity curve, a minute after the one before."""
    pnl = str((n * 7919) % 1000)
    at = (NOW + timedelta(minutes=n - 10_000)).isoformat()
    cumulative = {"realised_pnl_cumulative": pnl, "net_pnl_cumulative": pnl}
    return {"at": at, "equity": f"1{pnl}", "funding_cumulative": "0", "reset": False, **cumulative}
