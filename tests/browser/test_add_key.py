"""Adding an API key on the dashboard, in a real browser."""

from typing import Any

from playwright.async_api import Page, expect

from app.simulator import credentials
from tests.browser.conftest import Person, SignIn

MARKUP = "<b>BTC</b> \u05de\u05e4\u05ea\u05d7 &amp;"


async def opens_dialog(person: Person, exchange: str, variant: str = "trade") -> dict[str, str]:
    """Open the dialog and enter a simulated key of the testnet, without its passphrase."""
    page = person.page
    await person.opens("/keys")
    await page.get_by_role("button", name="Add API Key").click()
    await page.get_by_label("Exchange", exact=True).select_option(exchange)
    await page.get_by_text("Testnet Mode").click()
    await page.get_by_label("Label", exact=True).fill("Perps")
    found = credentials()[exchange]["testnet"][variant]
    await page.get_by_label("API Key", exact=True).fill(found["api_key"])
    await page.get_by_label("API Secret").fill(found["api_secret"])
    return found


def adds(page: Page) -> Any:
    return page.get_by_role("button", name="Add Key", exact=True).click()


async def keys_of(person: Person) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await person.api.get("/v1/keys")).json()["items"]
    return items


async def test_a_passphrase_is_entered_in_its_field_or_after_a_colon(person: Person) -> None:
    """Rule R80."""
    page = person.page
    found = await opens_dialog(person, "okx")
    await page.get_by_label("Label", exact=True).fill(MARKUP)
    await person.sees_no_serious_fault()
    await adds(page)
    await expect(page.get_by_text("Enter the Passphrase.")).to_be_visible()
    await page.get_by_label("Passphrase").fill(found["api_passphrase"])
    await adds(page)
    await expect(page.get_by_text(f"{MARKUP} was added.")).to_be_visible()
    [key] = await keys_of(person)
    assert (key["label"], key["environment"]) == (MARKUP, "testnet")
    assert key["verification"]["status"] == "verified"

    second = await opens_dialog(person, "okx", "trade_2")
    joined = f" {second['api_secret']}:{second['api_passphrase']} "
    await page.get_by_label("API Secret").fill(joined)
    await page.get_by_label("Passphrase").fill(second["api_passphrase"])
    await adds(page)
    await expect(page.get_by_text("after the colon. Enter it once.")).to_be_visible()
    await page.get_by_label("Passphrase").fill("")
    await adds(page)
    await expect(page.get_by_text("White space or line ends around api_secret")).to_be_visible()
    assert len(await keys_of(person)) == 2
    stored = await page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, history.state, location.href, "
        "document.documentElement.outerHTML])"
    )
    assert second["api_secret"] not in stored


async def test_a_refusal_is_shown_beside_its_field_with_what_to_do(person: Person) -> None:
    page = person.page
    await opens_dialog(person, "binance")
    await page.get_by_label("API Secret").fill("has white space")
    await adds(page)
    await expect(page.get_by_text("This does not look like what the exchange")).to_be_visible()
    assert await keys_of(person) == []

    await page.get_by_label("API Secret").fill("x" * 64)
    async with page.expect_response("**/v1/keys") as refused:
        await adds(page)
    problem = await (await refused.value).json()
    assert problem["code"] == "credentials_rejected"
    person.faults.clear()  # the browser reports every refusal on its console
    secret = page.get_by_label("API Secret")
    for name, kept_off in (("autocomplete", "off"), ("translate", "no"), ("spellcheck", "false")):
        await expect(secret).to_have_attribute(name, kept_off)
    await expect(secret).to_have_attribute("aria-invalid", "true")
    await expect(secret).to_be_focused()
    await expect(page.get_by_text(problem["detail"])).to_be_visible()
    await person.sees_no_serious_fault()

    forbidden = credentials()["okx"]["testnet"]["withdraw"]
    await page.get_by_label("Exchange", exact=True).select_option("okx")
    await expect(page.get_by_label("API Secret")).to_have_value("")
    await page.get_by_label("API Key", exact=True).fill(forbidden["api_key"])
    await page.get_by_label("API Secret").fill(forbidden["api_secret"])
    await page.get_by_label("Passphrase").fill(forbidden["api_passphrase"])
    await adds(page)
    refusal = page.get_by_role("alert").filter(has_text="The key can withdraw funds")
    await expect(refusal).to_contain_text("To put it right: open the key at OKX")
    link = refusal.get_by_role("link")
    assert await link.get_attribute("rel") == "noopener noreferrer"
    person.faults.clear()
    assert await keys_of(person) == []


async def test_a_key_is_added_by_keyboard_alone_while_the_exchange_is_slow(person: Person) -> None:
    page = person.page
    found = credentials()["bybit"]["testnet"]["trade"]
    await person.opens("/keys")
    await page.get_by_role("button", name="Add API Key").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("Label", exact=True).wait_for()

    async def goes_to(name: str) -> None:
        for _ in range(30):
            focused = await page.evaluate(
                "document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText"
            )
            if focused.strip().startswith(name):
                return
            await page.keyboard.press("Tab")
        raise AssertionError(f"nobody reaches {name} by keyboard")

    await goes_to("Label")
    await page.keyboard.type("By keyboard")
    await goes_to("Exchange")
    await page.keyboard.type("Bybit")
    await goes_to("API Key")
    await page.keyboard.type(found["api_key"])
    await goes_to("API Secret")
    await page.keyboard.type(found["api_secret"])
    await goes_to("Testnet Mode")
    await page.keyboard.press("Space")
    await goes_to("Add Key")

    async def late(route: Any) -> None:
        await page.get_by_text("Bybit is being asked").wait_for()
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Keep waiting").press("Enter")
        await route.continue_()

    await page.route("**/v1/keys", late)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("By keyboard was added.")).to_be_visible()


async def test_an_answer_that_does_not_come_is_tried_again_as_the_same_change(
    person: Person,
) -> None:
    page = person.page
    intents: list[str] = []

    async def lost(route: Any) -> None:
        intents.append(route.request.headers["idempotency-key"])
        if len(intents) == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await opens_dialog(person, "bybit")
    await page.route("**/v1/keys", lost)
    await adds(page)
    await expect(page.get_by_text("it is not known whether the change was made")).to_be_visible()
    await adds(page)
    await expect(page.get_by_text("Perps was added.")).to_be_visible()
    person.faults.clear()
    assert len(set(intents)) == 1
    assert len(await keys_of(person)) == 1


async def test_a_key_pair_is_made_and_its_public_half_is_shown(person: Person) -> None:
    page = person.page
    await person.opens("/keys?add=key")
    await page.get_by_label("Label", exact=True).fill("Pair")
    await page.get_by_label("Exchange", exact=True).select_option("binance")
    await page.get_by_text("Make a key pair here").click()
    await page.get_by_text("Testnet Mode").click()
    await page.get_by_role("button", name="Make key pair").click()
    await expect(page.get_by_text("-----BEGIN PUBLIC KEY-----")).to_be_visible()
    await person.sees_no_serious_fault()
    await page.get_by_role("button", name="Open the key's page").click()
    [key] = await keys_of(person)
    assert key["awaiting_api_key"]


async def test_the_form_is_filled_by_one_click_in_development(sign_in: SignIn) -> None:
    person = await sign_in(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = person.page
    await person.opens("/keys?add=key")
    await page.get_by_role("button", name="Fill in a simulated credential").click()
    await expect(page.get_by_label("API Key", exact=True)).not_to_have_value("")
    await person.sees_no_serious_fault()
    width = await page.evaluate("document.querySelector('dialog').scrollWidth")
    assert width <= 390
    await adds(page)
    await expect(page.get_by_text("OKX simulated was added.")).to_be_visible()
