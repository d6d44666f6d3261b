"""How heavy and how quick the page is, in a real browser."""

import copy
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Request, Route, expect

from tests.browser.conftest import Person
from tests.dashboard.test_pages import FIRST_LOAD
from tests.processes.trading import new_key

KEYS = 1000
ROWS_DRAWN = 80
"""Rows that a window of ordinary height needs, with those drawn beyond its edges."""

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_SCROLL = """
async () => {
    const frames = [];
    let before = performance.now();
    for (let step = 0; step < 120; step++) {
        window.scrollBy(0, 400);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - before);
        before = now;
    }
    return frames.sort((one, other) => one - other);
}
"""


async def many_keys(person: Person) -> None:
    """Let the list of keys have a thousand, in pages as the service makes them."""
    added = await person.api.post("/v1/keys", json=new_key())
    assert added.status_code == 201, added.text
    first = (await person.api.get("/v1/keys")).json()["items"][0]
    keys: list[dict[str, Any]] = []
    for number in range(KEYS):
        key = copy.deepcopy(first)
        key |= {"id": f"01938a5e-0000-7000-8000-{number:012}", "label": f"Key {number:04}"}
        keys.append(key)

    async def handle(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        begin = int(query.get("cursor", ["0"])[0])
        end = begin + int(query["limit"][0])
        page = {"items": keys[begin:end], "next_cursor": str(end) if end < KEYS else None}
        await route.fulfill(content_type="application/json", body=json.dumps(page))

    await person.page.route("**/v1/keys?*", handle)


async def test_the_first_load_is_small_and_paints_at_once(person: Person) -> None:
    sizes: list[int] = []
    measured: list[Request] = []

    def finished(request: Request) -> None:
        measured.append(request)

    person.page.on("requestfinished", finished)
    await person.opens("/keys")
    await expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    await person.page.wait_for_load_state("load")
    for request in measured:
        size = await request.sizes()
        sizes.append(size["responseBodySize"] + size["responseHeadersSize"])
    assert 20_000 < sum(sizes) <= FIRST_LOAD
    paints = []
    for _ in range(3):
        await person.page.reload()
        await expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()
        paints.append(await person.page.evaluate(_PAINT))
    assert 0 < min(paints) <= 1000, paints


async def test_a_thousand_keys_are_reached_with_few_rows_drawn(person: Person) -> None:
    await many_keys(person)
    await person.opens("/keys")
    page = person.page
    rows = page.get_by_role("table", name="API keys").get_by_role("row")
    await expect(page.get_by_role("link", name="Key 0000")).to_be_visible()
    last = page.get_by_role("link", name=f"Key {KEYS - 1:04}")
    for _ in range(4 * KEYS // 100):
        await page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        assert await rows.count() <= ROWS_DRAWN
        if await last.count():
            break
        await page.wait_for_timeout(50)
    await expect(last).to_be_visible()
    await page.evaluate("window.scrollTo(0, 0)")
    await expect(page.get_by_role("link", name="Key 0000")).to_be_visible()


@pytest.mark.torture  # needs a machine that does nothing else
async def test_a_thousand_keys_scroll_smoothly(person: Person) -> None:
    await many_keys(person)
    await person.opens("/keys")
    await expect(person.page.get_by_role("link", name="Key 0000")).to_be_visible()
    frames = await person.page.evaluate(_SCROLL)
    assert frames[len(frames) * 9 // 10] < 34, frames[-20:]
