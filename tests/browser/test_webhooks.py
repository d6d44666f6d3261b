"""Webhooks in a real browser: adding one, its secret, a test, changing, rotating, deleting."""

from playwright.async_api import expect

from tests.browser.bots import call
from tests.browser.conftest import Person, SignIn

SECRET_PATH = "/hooks/A-PATH-THAT-IS-A-SECRET"


async def test_a_webhook_is_added_tested_changed_and_deleted(person: Person) -> None:
    page = person.page
    await person.opens("/webhooks")
    await expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    await page.get_by_role("button", name="Add webhook").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Address").fill("http://10.0.0.7/hook")
    await dialog.get_by_role("button", name="Add webhook").click()
    await expect(dialog.get_by_text("not of the public Internet")).to_be_visible()
    await person.sees_no_serious_fault()
    # What the service refused is a line in the console; the page shows it.
    person.faults.clear()
    await dialog.get_by_role("textbox", name="Address").fill(
        f"https://hooks.example.com{SECRET_PATH}"
    )
    await dialog.get_by_label("Bot online").check()
    await dialog.get_by_role("button", name="Add webhook").click()
    shown = page.get_by_role("dialog", name="The webhook's secret")
    secret = await shown.locator("code.secret").inner_text()
    assert secret.startswith("whsec_")
    await person.sees_no_serious_fault()
    await shown.get_by_role("button", name="I have stored the secret").click()

    await expect(page.get_by_role("heading", name="hooks.example.com")).to_be_visible()
    assert secret not in await page.content()
    (webhook,) = (await call(person, "GET", "/v1/webhooks"))["items"]
    assert {"bot.online", "bot.offline"} <= set(webhook["types"])
    await expect(page.get_by_text(webhook["public_key"])).to_be_visible()
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.get_by_role("listitem").filter(has_text="Test")).to_be_visible()
    await person.sees_no_serious_fault()

    await page.get_by_role("button", name="Change").click()
    await dialog.get_by_label("All, also of types that are added later").check()
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("definition").get_by_text("All", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Rotate the secret").click()
    await dialog.get_by_role("button", name="Rotate the secret").click()
    await expect(shown.locator("code.secret")).not_to_have_text(secret)
    await shown.get_by_role("button", name="I have stored the secret").click()
    await expect(page.get_by_text("signs as well until")).to_be_visible()
    await page.get_by_role("button", name="Deactivate").click()
    await expect(page.get_by_role("button", name="Activate")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete webhook").click()
    await expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


async def test_the_list_shows_hosts_and_no_secret_addresses_on_a_phone(sign_in: SignIn) -> None:
    person = await sign_in(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = person.page
    body = {"url": f"https://hooks.example.com{SECRET_PATH}", "format": "slack", "active": False}
    added = await call(person, "POST", "/v1/webhooks", body)
    await person.opens("/webhooks")
    row = page.get_by_role("row").filter(has_text="hooks.example.com")
    await expect(row).to_contain_text("inactive")
    assert SECRET_PATH not in await page.content()
    await person.sees_no_serious_fault()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await row.get_by_role("link").click()
    await expect(page.get_by_text("Slack", exact=True)).to_be_visible()
    assert page.url.endswith(f"/webhooks/{added['id']}")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
