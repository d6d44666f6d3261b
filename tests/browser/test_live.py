"""What one person does is seen at once: by events, in every tab, and honestly when they stop."""

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Person
from tests.processes.trading import new_key


async def add_key(person: Person, label: str) -> None:
    added = await person.api.post("/v1/keys", json=new_key(label=label, verify=False, active=True))
    assert added.status_code == 201, added.text


async def is_live(page: Page) -> None:
    await expect(page.locator(".stream")).to_have_text("Connected")


async def test_events_reach_every_tab_by_one_stream(person: Person) -> None:
    streams: list[str] = []

    def note(url: str) -> None:
        if "/v1/events/stream" in url:
            streams.append(url)

    person.page.on("request", lambda request: note(request.url))
    await person.opens("/keys")
    await is_live(person.page)
    second = await person.page.context.new_page()
    second.on("request", lambda request: note(request.url))
    await second.goto(person.service.address + "/keys")
    await is_live(second)
    await add_key(person, "Seen at once")
    for page in (person.page, second):
        await expect(page.get_by_role("link", name="Seen at once")).to_be_visible()
    assert len(streams) == 1
    # When the tab with the stream is closed, the other one takes over.
    await person.page.close()
    await expect(second.get_by_role("link", name="Seen at once")).to_be_visible()
    for _ in range(100):
        if len(streams) == 2:
            break
        await second.wait_for_timeout(100)
    await is_live(second)
    assert (await person.api.patch("/v1/account", json={"timezone": "Asia/Tokyo"})).is_success
    bot = await person.api.post("/v1/bots", json={"name": "Later"})
    assert bot.status_code == 201
    await second.get_by_role("link", name="Bots").click()
    await expect(second.get_by_role("link", name="Later")).to_be_visible()


async def test_a_lost_stream_is_admitted_and_nothing_is_missed(person: Person) -> None:
    lost = True

    async def cut(route: Route) -> None:
        if lost:
            await route.abort("connectionreset")
        else:
            await route.fallback()

    await person.page.route("**/v1/events/stream", cut)
    await person.opens("/keys")
    await expect(person.page.locator(".stream")).to_contain_text("Live updates stopped")
    await add_key(person, "Added meanwhile")
    lost = False
    await is_live(person.page)
    await expect(person.page.get_by_role("link", name="Added meanwhile")).to_be_visible()
    person.faults[:] = [one for one in person.faults if "Failed to load resource" not in one]
