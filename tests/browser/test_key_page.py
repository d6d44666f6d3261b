"""A key's configuration page, in a real browser."""

from typing import Any

import httpx
from playwright.async_api import expect

from tests.browser.conftest import Person, SignIn
from tests.processes.trading import Json, new_key, sent


async def has_key(person: Person, exchange: str = "binance", **changes: Any) -> Json:
    return sent(await person.api.post("/v1/keys", json=new_key(exchange, **changes)), 201)


async def has_bot(person: Person, key: Json) -> Json:
    """Give the key to a new bot, which sends a heartbeat."""
    bot = sent(await person.api.post("/v1/bots", json={"name": "Grid BTC"}), 201)
    sent(await person.api.put(f"/v1/bots/{bot['id']}/key", json={"key_id": key["id"]}), 200)
    return bot


async def runs(person: Person, bot: Json) -> httpx.AsyncClient:
    """Return a client with a token of the bot."""
    token = sent(await person.api.post(f"/v1/bots/{bot['id']}/token"), 201)["token"]
    return httpx.AsyncClient(
        base_url=person.service.address, headers={"Authorization": f"Bearer {token}"}
    )


async def test_trading_assets_are_added_and_kept_within_the_exchange_s_limits(
    person: Person,
) -> None:
    page = person.page
    key = await has_key(person)
    await person.opens(f"/keys/{key['id']}")
    await expect(page.get_by_text("Add at least one: before that")).to_be_visible()
    await page.get_by_role("button", name="Add trading assets").click()
    await page.get_by_label("Search instruments by symbol").fill("ETHUSDT")
    await page.get_by_role("button", name="Add ETHUSDT").click()
    settings = page.get_by_role("form", name="Settings of ETHUSDT")
    await expect(settings.get_by_label("Margin Mode")).to_have_value("cross")
    await expect(page.get_by_role("table").get_by_text("added")).to_be_visible()
    await expect(page.get_by_text("Prices and volumes of")).to_be_visible()
    await person.sees_no_serious_fault()

    leverage = settings.get_by_label("Leverage")
    path = f"/v1/keys/{key['id']}/assets/ETHUSDT"
    most = (await person.api.get(path)).json()["max_leverage"]
    await expect(settings.get_by_text(f"max. {most}")).to_be_visible()
    await leverage.fill(str(int(most) + 1))
    await settings.get_by_role("button", name="Save").click()
    await expect(settings.get_by_text(f"The exchange's maximum is {most}.")).to_be_visible()
    assert (await person.api.get(path)).json()["leverage"] == "1"
    await leverage.fill("7.5")
    await settings.get_by_label("Margin Mode").select_option("isolated")
    await settings.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("ETHUSDT was saved.")).to_be_visible()
    await page.get_by_role("switch", name="ETHUSDT is enabled").click(force=True)
    await expect(page.get_by_text("The trading asset is disabled.")).to_be_visible()
    stored = (await person.api.get(path)).json()
    assert (stored["leverage"], stored["margin_mode"], stored["enabled"]) == (
        "7.5",
        "isolated",
        False,
    )
    await page.get_by_role("button", name="Remove ETHUSDT").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    await expect(settings).to_have_count(0)


async def test_an_exchange_with_one_margin_mode_shows_a_label(person: Person) -> None:
    key = await has_key(person, "gemini")
    added = {"symbol": "BTCGUSDPERP"}
    await person.api.get(f"/v1/keys/{key['id']}/instruments")
    sent(await person.api.post(f"/v1/keys/{key['id']}/assets", json=added), 201)
    await person.opens(f"/keys/{key['id']}")
    settings = person.page.get_by_role("form", name="Settings of BTCGUSDPERP")
    await expect(settings.get_by_text("Margin Mode: cross")).to_be_visible()
    await expect(settings.get_by_role("combobox")).to_have_count(0)
    await expect(settings.get_by_text("Leverage follows from")).to_be_visible()
    await expect(person.page.get_by_label("Contract Type").locator("select")).to_be_disabled()


async def test_the_contract_type_is_locked_while_the_bot_is_online(sign_in: SignIn) -> None:
    person = await sign_in(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = person.page
    key = await has_key(person)
    bot = await has_bot(person, key)
    await person.opens(f"/keys/{key['id']}")
    chosen = page.get_by_role("combobox", name="Contract Type")
    await chosen.select_option("inverse")
    await page.get_by_role("button", name="Switch", exact=True).click()
    await expect(chosen).to_have_value("inverse")
    async with await runs(person, bot) as runtime:
        sent(await runtime.post("/v1/runtime/heartbeat", json={}), 200)
    await expect(chosen).to_be_disabled()  # without loading the page again
    await expect(page.get_by_text("it cannot be changed while the bot is online")).to_be_visible()
    await page.get_by_role("switch", name="Active", exact=True).click(force=True)
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("exit rules continue to function normally")).to_be_visible()
    await person.sees_no_serious_fault()
    await dialog.get_by_role("button", name="Deactivate").click()
    await expect(dialog).to_have_count(0)
    assert not (await person.api.get(f"/v1/keys/{key['id']}")).json()["active"]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_the_margin_mode_is_locked_while_a_position_is_open(person: Person) -> None:
    page = person.page
    key = await has_key(person)
    bot = await has_bot(person, key)
    await person.api.get(f"/v1/keys/{key['id']}/instruments")
    asset = {"symbol": "BTCUSDT", "leverage": "3"}
    sent(await person.api.post(f"/v1/keys/{key['id']}/assets", json=asset), 201)
    await person.opens(f"/keys/{key['id']}")
    mode = page.get_by_role("form", name="Settings of BTCUSDT").get_by_label("Margin Mode")
    await expect(mode).to_be_enabled()
    position = {
        "revision": 1,
        "symbol": "BTCUSDT",
        "side": "long",
        "status": "open",
        "quantity": "0.5",
        "entry_price": "97000",
        "opened_at": "2026-01-01T00:00:00Z",
    }
    async with await runs(person, bot) as runtime:
        answer = await runtime.put("/v1/runtime/positions/one", json=position)
        assert answer.is_success, answer.text
    await expect(mode).to_be_disabled()  # without loading the page again
    await expect(page.get_by_text("locked while a position is open")).to_be_visible()
    await expect(page.get_by_text("1 open", exact=True)).to_be_visible()


async def test_two_tabs_do_not_overwrite_each_other(person: Person) -> None:
    """Rule R81."""
    page = person.page
    key = await has_key(person)
    await person.opens(f"/keys/{key['id']}")
    await expect(page.get_by_text("Connected", exact=True).last).to_be_visible()
    sent(await person.api.patch(f"/v1/keys/{key['id']}", json={"label": "Seen live"}), 200)
    await expect(page.get_by_role("heading", name="Seen live")).to_be_visible()
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_label("Label").fill("From this tab")
    sent(await person.api.patch(f"/v1/keys/{key['id']}", json={"label": "From the other"}), 200)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".rename .problem")).to_be_visible()
    assert (await person.api.get(f"/v1/keys/{key['id']}")).json()["label"] == "From the other"
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="From this tab")).to_be_visible()
    person.faults.clear()  # the browser reports the refusal on its console


async def test_credentials_are_replaced_and_a_pair_gets_its_api_key(person: Person) -> None:
    page = person.page
    key = await has_key(person)
    await person.opens(f"/keys/{key['id']}")
    await page.get_by_role("button", name="Replace credentials").click()
    dialog = page.get_by_role("dialog")
    await person.sees_no_serious_fault()
    second = new_key("binance", "trade_2")
    await dialog.get_by_label("API Key", exact=True).fill(second["api_key"])
    await dialog.get_by_label("API Secret").fill(second["api_secret"])
    await dialog.get_by_role("button", name="Replace credentials").click()
    same = dialog.get_by_label("These credentials belong to the same account")
    done = page.get_by_text("The credentials were replaced")
    await expect(same.or_(done)).to_be_visible()
    if await same.is_visible():
        await same.check()
        await dialog.get_by_role("button", name="Replace credentials").click()
    await expect(done).to_be_visible()
    await expect(page.get_by_text("credentials replaced 1 time")).to_be_visible()
    person.faults.clear()

    made = {**new_key("binance", label="Pair"), "algorithm": "ed25519"}
    pair = {name: made[name] for name in made if name not in {"api_key", "api_secret"}}
    made = sent(await person.api.post("/v1/keys/pairs", json=pair), 201)
    await person.opens(f"/keys/{made['key']['id']}")
    await page.get_by_role("button", name="Enter the API Key").first.click()
    await expect(dialog.get_by_label("API Secret")).to_have_count(0)
    await dialog.get_by_label("API Key", exact=True).fill("x" * 64)
    await dialog.get_by_role("button", name="Save API Key").click()
    await expect(page.get_by_text("The API key was entered.")).to_be_visible()


async def test_a_key_is_deleted_alone_once_no_bot_has_it(person: Person) -> None:
    page = person.page
    key = await has_key(person, label="Old")
    bot = await has_bot(person, key)
    await person.opens(f"/keys/{key['id']}")
    await page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("cannot be deleted while assigned to a bot")).to_be_visible()
    link = dialog.get_by_role("link", name="Grid BTC")
    assert await link.get_attribute("href") == f"/bots/{bot['id']}"
    await dialog.get_by_role("button", name="Close").last.click()
    sent(await person.api.delete(f"/v1/bots/{bot['id']}/key"), 200)
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(dialog.get_by_text("Key only")).to_be_visible()
    await person.sees_no_serious_fault()
    await dialog.get_by_role("button", name="Delete key", exact=True).click()
    await expect(dialog.get_by_text("All associated trading data remain.")).to_be_visible()
    await dialog.get_by_role("button", name="Back to the API keys").click()
    await expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    # The event of the deletion may have it read once more, which the browser reports as not found.
    person.faults[:] = [fault for fault in person.faults if key["id"] not in fault]


async def test_a_key_is_deleted_with_its_data_after_its_label_is_typed(person: Person) -> None:
    page = person.page
    key = await has_key(person, label="Old & <b>bold</b>")
    bot = await has_bot(person, key)
    signal = {
        "at": "2026-01-01T00:00:00Z",
        "symbol": "BTCUSDT",
        "name": "cross",
        "direction": "long",
    }
    items = [{"id": str(number), **signal} for number in range(3)]
    async with await runs(person, bot) as runtime:
        sent(await runtime.post("/v1/runtime/signals", json={"items": items}), 200)
    sent(await person.api.delete(f"/v1/bots/{bot['id']}/key"), 200)
    await person.opens(f"/keys/{key['id']}")
    await page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("3 signals")).to_be_visible()
    await dialog.get_by_label("Delete all associated data").check()
    delete = dialog.get_by_role("button", name="Delete key and data")
    await expect(delete).to_be_disabled()
    await dialog.get_by_role("textbox").fill(key["label"])
    await delete.click()
    await expect(dialog.get_by_text("All associated data are deleted.")).to_be_visible()
    await expect(dialog.get_by_text("3 signals")).to_be_visible()
    await person.sees_no_serious_fault()
    assert (await person.api.get(f"/v1/keys/{key['id']}")).status_code == 404
