"""The pages of bots in a real browser."""

import asyncio
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Route, expect

from tests.browser.bots import call, forget, holds, new_bot, new_key, runs
from tests.browser.conftest import Person, SignIn

FOLDED_ROW = 76
"""The height of a row on a narrow screen, as `parts/table.js` has it."""


async def test_a_bot_is_added_gets_a_key_is_paused_renamed_and_deleted(person: Person) -> None:
    page = person.page
    key = await new_key(person, "Binance paper")
    await person.opens("/bots")
    await expect(page.get_by_role("heading", name="No bots yet")).to_be_visible()
    await page.get_by_role("button", name="Add bot").first.click()
    dialog = page.get_by_role("dialog", name="Add bot")
    await dialog.get_by_role("button", name="Add bot").click()
    await expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    await person.sees_no_serious_fault()
    forget(person, "422")
    await dialog.get_by_label("Name").fill("Grid BTC")
    await dialog.get_by_role("button", name="Add bot").click()
    await expect(page.get_by_role("heading", name="Grid BTC")).to_be_visible()
    await expect(page.get_by_text("Never: the bot has not been started yet.")).to_be_visible()

    await page.get_by_role("button", name="Assign a key").click()
    await page.get_by_role("radio", name="Binance paper").check()
    await person.sees_no_serious_fault()
    await page.get_by_role("button", name="Assign", exact=True).click()
    section = page.get_by_role("region", name="API key")
    await expect(section.get_by_role("link", name="Binance paper")).to_have_attribute(
        "href", f"/keys/{key['id']}"
    )
    await expect(section.get_by_text("Testnet")).to_be_visible()

    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_label("Name", exact=True).fill("Grid <b>ETH</b>")
    await page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("heading", name="Grid <b>ETH</b>")).to_be_visible()
    await person.sees_no_serious_fault()

    await page.get_by_role("button", name="Unassign").click()
    await page.get_by_role("dialog").get_by_role("button", name="Unassign").click()
    await expect(section.get_by_text("This bot has no API key yet.")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    await person.sees_no_serious_fault()
    await page.get_by_role("button", name="Delete bot").click()
    await expect(page.get_by_role("heading", name="No bots yet")).to_be_visible()


async def test_nothing_is_read_of_a_bot_whose_deletion_is_announced_first(person: Person) -> None:
    """The event arrives before the response: else the page would ask for a bot that is gone."""
    page = person.page
    bot = await new_bot(person, "Grid")
    await person.opens(f"/bots/{bot['id']}")
    read: list[str] = []

    async def answer_late(route: Route) -> None:
        if route.request.method != "DELETE":
            read.append(route.request.url)
            await route.continue_()
            return
        read.clear()
        deleted = await person.api.delete(f"/v1/bots/{bot['id']}")
        await asyncio.sleep(1)
        await route.fulfill(status=deleted.status_code)

    await page.route(f"**/v1/bots/{bot['id']}", answer_late)
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete bot").click()
    await expect(page.get_by_role("heading", name="No bots yet")).to_be_visible()
    assert read == []


async def test_each_rule_of_assignment_is_explained(person: Person) -> None:
    """R11, R12 and R13: what cannot be is not offered, and a refusal shows its sentence."""
    page = person.page
    bot = await new_bot(person, "Grid")
    await new_key(person, "Switched off", active=False)
    taken = await new_key(person, "Taken")
    other = await new_bot(person, "Other", taken)
    free = await new_key(person, "Free")
    soon = await new_key(person, "Soon inactive")
    await person.opens(f"/bots/{bot['id']}")
    await page.get_by_role("button", name="Assign a key").click()
    await expect(page.get_by_role("radio")).to_have_count(2)
    for name in ("Switched off", "Taken"):
        await expect(page.get_by_role("dialog").get_by_text(name)).to_have_count(0)

    await page.get_by_role("radio", name="Soon inactive").check()
    await call(person, "PATCH", f"/v1/keys/{soon['id']}", {"active": False})
    await page.get_by_role("button", name="Assign", exact=True).click()
    refusal = page.get_by_role("dialog").get_by_role("alert")
    await expect(refusal).to_contain_text("Only an active key can be assigned")

    await page.get_by_role("radio", name="Free").check()
    await call(person, "PUT", f"/v1/bots/{other['id']}/key", {"key_id": free["id"]})
    await page.get_by_role("button", name="Assign", exact=True).click()
    await expect(refusal).to_contain_text("A key serves one bot at a time")
    await expect(page.get_by_role("link", name="Open Other")).to_be_visible()
    forget(person, "409")

    async with runs(person, other) as client:
        await holds(client)
    await person.opens(f"/bots/{other['id']}")
    for name in ("Change key", "Unassign"):
        await expect(page.get_by_role("button", name=name)).to_be_disabled()
    await expect(page.get_by_text("cannot change a bot's API key while")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete bot").click()
    await expect(refusal).to_contain_text("The bot has 1 open position")
    forget(person, "409")
    await page.get_by_role("button", name="Cancel").click()

    await page.get_by_role("button", name="Close BTCUSDT by hand").click()
    await page.get_by_role("button", name="Mark as closed").click()
    await expect(page.get_by_text("The bot holds no position.")).to_be_visible()
    await expect(page.get_by_role("button", name="Change key")).to_be_enabled()


async def test_a_bot_that_may_not_trade_says_why_and_where(person: Person) -> None:
    """Each reason is a sentence with a link; the list filters, sorts and counts."""
    page = person.page
    key = await new_key(person, "Paper")
    bot = await new_bot(person, "Beta", key)
    await new_bot(person, "alpha")
    await call(person, "PATCH", f"/v1/bots/{bot['id']}", {"paused": True})
    await call(person, "PATCH", f"/v1/keys/{key['id']}", {"active": False})
    await call(person, "POST", "/v1/freezes", {"scope": "exchange", "exchange": "binance"})
    await person.opens(f"/bots/{bot['id']}")
    reasons = page.get_by_role("region", name="New positions").get_by_role("listitem")
    blocked_by = (await call(person, "GET", f"/v1/bots/{bot['id']}"))["blocked_by"]
    await expect(reasons).to_have_count(len(blocked_by))
    frozen = reasons.filter(has_text="A freeze of the account, the exchange or the key")
    await expect(frozen.get_by_role("link")).to_have_attribute("href", "/freezes")
    inactive = reasons.filter(has_text="The API key is inactive.")
    await expect(inactive.get_by_role("link")).to_have_attribute("href", f"/keys/{key['id']}")
    await expect(reasons.filter(has_text="The bot is paused.").get_by_role("link")).to_have_count(0)
    await person.sees_no_serious_fault()

    await page.get_by_role("navigation").get_by_role("link", name="Bots").click()
    names = page.locator("[data-column=name]")
    await expect(names).to_have_text(["alpha", "Beta"])
    await page.get_by_role("button", name="Name").click()
    await page.get_by_role("button", name="Name").click()
    await expect(names).to_have_text(["Beta", "alpha"])
    await page.get_by_label("Show").select_option("Without an API key")
    await expect(names).to_have_text(["alpha"])
    await page.get_by_label("Show").select_option("May not open positions")
    await page.get_by_label("Search").fill("BET")
    await expect(names).to_have_text(["Beta"])
    await person.sees_no_serious_fault()
    await page.get_by_label("Show").select_option("Online")
    await page.get_by_role("button", name="Show all bots").click()
    await expect(names).to_have_text(["alpha", "Beta"])
    counted = page.get_by_role("link", name="2 bots may open no positions")
    await expect(counted).to_be_visible()


async def test_a_token_is_shown_once_and_works(person: Person) -> None:
    page = person.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    bot = await new_bot(person, "Grid", await new_key(person, "Paper"))
    async with runs(person, bot) as former:
        await person.opens(f"/bots/{bot['id']}")
        await page.get_by_role("button", name="Mint a token").click()
        await page.get_by_role("dialog").get_by_role("button", name="Mint a token").click()
        shown = page.get_by_role("dialog", name="The bot's token")
        await shown.get_by_role("button", name="Copy token").click()
        token = await page.evaluate("navigator.clipboard.readText()")
        await expect(shown.locator("code.secret")).to_have_text(token)
        await expect(shown).to_contain_text(f"BOTKEYS_URL={person.service.address}")
        await expect(shown).to_contain_text("botkeys check binance --environment testnet")
        await page.keyboard.press("Escape")
        await expect(shown).to_be_visible()
        await person.sees_no_serious_fault()
        await shown.get_by_role("button", name="I have stored the token").click()
        await expect(shown).to_have_count(0)
        assert token not in await page.content()
        assert (await former.get("/v1/runtime/config")).status_code == 401
        former.headers["Authorization"] = f"Bearer {token}"
        assert (await former.get("/v1/runtime/config")).status_code == 200


async def test_a_thousand_bots_scroll_and_few_rows_are_drawn(sign_in: SignIn) -> None:
    """On a phone, in the dark."""
    person = await sign_in(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = person.page
    one = await new_bot(person, "Bot")
    bots = [{**one, "id": f"{number:08}", "name": f"Bot {number:03}"} for number in range(1000)]

    async def handle(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        begin = int(query.get("cursor", ["0"])[0])
        end = begin + int(query["limit"][0])
        more = str(end) if end < len(bots) else None
        await route.fulfill(json={"items": bots[begin:end], "next_cursor": more})

    await page.route("**/v1/bots?*", handle)
    await person.opens("/bots")
    await expect(page.get_by_role("link", name="Bot 000")).to_be_visible()
    rows = page.locator(".body .row")
    assert await rows.count() < 40
    for read in range(100, 1001, 100):
        height = f"{read * FOLDED_ROW}px"
        await expect(page.locator(".table .body")).to_have_css("height", height)
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await expect(page.get_by_role("link", name="Bot 999")).to_be_visible()
    assert await rows.count() < 40
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await person.sees_no_serious_fault()
