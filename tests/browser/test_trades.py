"""The Trades page: what it shows, filters, exports and imports."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Download, Locator, Page, expect

from tests.browser.conftest import Person, SignIn
from tests.browser.trading import NOW, new_runner, trade

LIST = "/v1/trades?environment=live"
# Chromium asks for a place with a window of the system, which no test can answer.
_FILE_IN_THE_BROWSER = """window.showSaveFilePicker = async () => {
  const folder = await navigator.storage.getDirectory();
  return folder.getFileHandle("saved", { create: true });
};"""
_BREAKS_OFF = """window.fetch = async () => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("id,symbol\\n"));
      setTimeout(() => controller.error(new TypeError("network error")), 50);
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/csv" } });
}"""
_SAVED = """async () => {
  const folder = await navigator.storage.getDirectory();
  return (await (await folder.getFileHandle("saved")).getFile()).text();
}"""


def rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Trades").get_by_role("row")


async def test_trades_are_shown_filtered_and_kept_apart_by_environment(person: Person) -> None:
    """Rule R82."""
    page, live = person.page, await new_runner(person)
    paper = await new_runner(person, "testnet", label="Paper")
    fees = [{"asset": "USDT", "amount": "0.123456789012345678"}, {"asset": "BNB", "amount": "0.01"}]
    await live.reports(
        "trades",
        trade("first"),
        trade("precise", NOW - timedelta(days=40), side="short", fees=fees),
        trade("unknown", symbol="NOSUCH-USDT-SWAP"),
    )
    await paper.reports("trades", trade("paper"))
    await person.opens("/trades")
    await expect(rows(page)).to_have_count(4)
    first = rows(page).filter(has_text="+9.5")
    await expect(first).to_contain_text("USDT")
    await expect(rows(page).filter(has_text="unknown")).to_contain_text("NOSUCH-USDT-SWAP")
    precise = rows(page).filter(has_text="short")
    # No digit is rounded away, and what was charged in another asset is not subtracted.
    await expect(precise).to_contain_text("\u221210.123456789012345678")
    await expect(precise).to_contain_text("+ 0.01 BNB")
    await expect(page.get_by_text("Times are in UTC.")).to_be_visible()
    await expect(page.locator("main .badge.testnet")).to_have_count(0)
    await person.sees_no_serious_fault()

    await first.get_by_role("button", name="BTC-USDT-SWAP").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("+9.5 USDT")
    await person.sees_no_serious_fault()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)

    await page.get_by_label("Period").select_option("Last 30 days")
    await expect(rows(page)).to_have_count(3)
    await page.get_by_label("Symbol").fill("NOSUCH-USDT-SWAP")
    await page.keyboard.press("Enter")
    await expect(rows(page)).to_have_count(2)
    await page.reload()
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("Symbol").fill("ETH-USDT-SWAP")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="No trade matches these filters").wait_for()
    await page.get_by_role("main").get_by_role("button", name="Clear filters").last.click()
    await expect(rows(page)).to_have_count(4)

    await page.get_by_role("button", name="Testnet", exact=True).click()
    await expect(rows(page)).to_have_count(2)
    await expect(rows(page).last).to_contain_text("Testnet")
    await expect(rows(page).last).to_contain_text("Paper")


async def content(saved: Download) -> bytes:
    return await asyncio.to_thread((await saved.path()).read_bytes)


async def test_an_export_is_what_the_api_says(sign_in: SignIn) -> None:
    """Rule R83."""
    person = await sign_in(accept_downloads=True)
    live = await new_runner(person)
    await live.reports("trades", *(trade(f"t{n}", NOW - timedelta(hours=n)) for n in range(150)))
    await person.opens("/trades")
    await rows(person.page).nth(1).wait_for()

    await person.page.evaluate("window.showSaveFilePicker = undefined")
    async with person.page.expect_download() as started:
        await person.page.get_by_role("button", name="Export CSV").click()
    saved = await started.value
    assert saved.suggested_filename == f"trades-live-{datetime.now(UTC):%Y-%m-%d}.csv"
    expected = await person.api.get(LIST, headers={"Accept": "text/csv"})
    assert await content(saved) == expected.content

    await person.page.evaluate(_FILE_IN_THE_BROWSER)
    await person.page.get_by_role("button", name="Export NDJSON").click()
    await person.page.get_by_text(
        f"{saved.suggested_filename.removesuffix('.csv')}.ndjson"
    ).wait_for()
    expected = await person.api.get(LIST, headers={"Accept": "application/x-ndjson"})
    assert await person.page.evaluate(_SAVED) == expected.text
    assert len(expected.text.splitlines()) == 150


async def test_an_export_that_breaks_off_saves_nothing_and_says_so(person: Person) -> None:
    """Rule R83."""
    live = await new_runner(person)
    await live.reports("trades", trade("one"))
    await person.opens("/trades")
    await rows(person.page).nth(1).wait_for()
    await person.page.evaluate("window.showSaveFilePicker = undefined")
    problem = {"code": "unavailable", "detail": "The database is away. Try again."}
    await person.page.route("**/v1/trades?*", lambda route: route.fulfill(status=503, json=problem))
    await person.page.get_by_role("button", name="Export CSV").click()
    await person.page.get_by_role("status").get_by_text("The database is away.").wait_for()
    person.faults.clear()  # the browser notes a 503 in its console

    await person.page.evaluate(_BREAKS_OFF)
    await person.page.evaluate(_FILE_IN_THE_BROWSER)
    await person.page.get_by_role("button", name="Export CSV").click()
    await person.page.get_by_text("The export broke off before its end").wait_for()
    assert await person.page.evaluate(_SAVED) == ""


async def test_a_file_is_checked_first_and_then_imported(person: Person, tmp_path: Path) -> None:
    live = await new_runner(person)
    page = person.page
    good, bad = trade("filed"), trade("broken", entry_price="-1")
    for item in (good, bad):
        item |= {"exchange": "okx", "environment": "live", "contract_type": "linear"}
        item |= {"key": {"id": live.key["id"], "label": "OKX live"}, "contract_size": "0.01"}
        item |= {"pnl": "9.5", "settle": "USDT"}
    file = tmp_path / "history.json"
    file.write_text(json.dumps([good, bad]))
    await person.opens("/trades")
    await page.get_by_role("button", name="Import trades from a file").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Key").select_option(live.key["id"])
    await dialog.get_by_label("File", exact=True).set_input_files(file)
    await person.sees_no_serious_fault()
    await dialog.get_by_role("button", name="Check first").click()
    await dialog.get_by_text("Nothing is stored yet").wait_for()
    await expect(dialog.get_by_role("region", name="Refused rows")).to_contain_text("entry_price")
    assert (await person.api.get(LIST)).json()["items"] == []
    await dialog.get_by_role("button", name="Import now").click()
    await dialog.get_by_text("The trades are imported.").wait_for()
    await dialog.get_by_role("button", name="Close").last.click()
    await expect(rows(page)).to_have_count(2)


@pytest.mark.torture
async def test_a_thousand_trades_scroll_with_few_rows_drawn(sign_in: SignIn) -> None:
    person = await sign_in(viewport={"width": 390, "height": 844}, color_scheme="dark")
    live = await new_runner(person)
    many = (trade(f"t{n}", NOW - timedelta(minutes=n)) for n in range(1000))
    await live.reports("trades", *many, trade("oldest", NOW - timedelta(days=9), side="short"))
    await person.opens("/trades")
    table = person.page.get_by_role("table", name="Trades")
    await rows(person.page).nth(1).wait_for()
    await person.sees_no_serious_fault()
    assert await person.page.evaluate("document.documentElement.scrollWidth") <= 390
    await person.page.evaluate(
        """async () => {
          const table = document.querySelector('[role=table]');
          while (table.getAttribute('aria-rowcount') === '-1') {
            scrollTo(0, document.body.scrollHeight);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
          scrollTo(0, document.body.scrollHeight);
        }"""
    )
    await expect(table).to_have_attribute("aria-rowcount", "1002")
    await expect(rows(person.page).filter(has_text="short")).to_be_visible()
    assert await rows(person.page).count() < 60
