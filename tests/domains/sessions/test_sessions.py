"""Sessions of the dashboard: used, noted, listed, ended, and over by themselves."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from app.auth.cookies import CLEARED, read_session_cookie
from app.auth.session_cookie import parse
from app.domains.sessions import opening
from app.domains.sessions.visitor import MOST_CHARACTERS, read_visitor
from app.worker.housekeeping import sweep
from tests.support.browsers import Browser, browser, signed_in
from tests.support.world import Json, World


async def write(world: World, statement: str, **values: Any) -> None:
    async with world.context.database.sessions.begin() as session:
        await session.execute(text(statement), values)


async def row(world: World, page: Browser) -> Any:
    async with world.context.database.sessions() as session:
        found = text("SELECT * FROM dashboard_sessions WHERE id = :id")
        return (await session.execute(found, {"id": page.session_id})).one_or_none()


async def refused(page: Browser, reason: str) -> None:
    """Check that the session is over, and that the browser is made to forget its cookie."""
    answer = await page.get("/v1/bots")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_expired"), answer.text
    assert answer.json()["reason"] == reason
    assert answer.headers.get_list("set-cookie") == [*CLEARED]
    assert answer.headers["www-authenticate"] == 'Bearer realm="botkeys"'
    assert page.cookie == ""


async def test_a_person_has_the_same_account_by_page_and_by_token(world: World) -> None:
    page = await signed_in(world)
    made = await page.post("/v1/bots", {"name": "by the page"})
    assert made.status_code == 201, made.text
    by_token: Json = (await world.user().get("/v1/bots")).json()
    assert [bot["name"] for bot in by_token["items"]] == ["by the page"]


async def test_the_database_holds_nothing_that_signs_in(world: World) -> None:
    page = await signed_in(world)
    found = await row(world, page)
    assert page.cookie not in str(found)
    claimed = parse(page.cookie)
    assert claimed is not None
    assert bytes.fromhex(found.secret_hash.hex()) not in page.cookie.encode()
    assert len(found.secret_hash) == 32


async def test_what_a_session_did_is_recorded_under_its_id(world: World) -> None:
    page = await signed_in(world)
    await page.post("/v1/bots", {"name": "by the page"})
    events: Json = (await page.get("/v1/audit-events")).json()
    newest, before = events["items"][:2]
    assert (newest["action"], newest["actor"]) == ("bot.add", "user")
    assert newest["details"]["session_id"] == str(page.session_id)
    assert (before["action"], before["target_id"]) == ("session.begin", str(page.session_id))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("expires_at = now() - interval '1 second'", "expired"),
        ("last_used_at = now() - interval '1 day'", "idle"),
        ("ended_at = now()", "ended"),
    ],
)
async def test_a_session_that_is_over_says_why(world: World, change: str, reason: str) -> None:
    """Rule R71."""
    page = await signed_in(world)
    await write(world, f"UPDATE dashboard_sessions SET {change}")  # noqa: S608  # ours
    await refused(page, reason)


async def test_a_cookie_of_no_session_is_refused_whatever_it_holds(world: World) -> None:
    page = await signed_in(world)
    good = page.cookie
    other = await signed_in(world, "bob")
    for forged in (
        good[:-1],
        good + "A",
        good[:40] + other.cookie[40:],
        good.removeprefix("bks_"),
        "bks_" + "A" * 86,
        "x" * 4000,
        "%00",
    ):
        page.take(forged)
        await refused(page, "unknown")


async def test_use_is_noted_about_once_a_minute_with_address_and_browser(world: World) -> None:
    page = await signed_in(world)

    async def noted() -> tuple[datetime, str, str]:
        found = await row(world, page)
        return found.last_used_at, found.address, found.user_agent

    first = await noted()
    await page.get("/v1/bots")
    assert await noted() == first
    await write(world, "UPDATE dashboard_sessions SET last_used_at = now() - interval '61 seconds'")
    before, *_ = await noted()
    await page.get("/v1/bots", headers={"User-Agent": "Browser\t" + "x" * 400})
    at, address, user_agent = await noted()
    assert at > before
    assert address == page.address
    assert user_agent == ("Browser?" + "x" * 400)[:MOST_CHARACTERS]


def test_what_a_browser_calls_itself_is_kept_as_plain_text() -> None:
    sent = b"<b>\x00\x1b[31m\xe2\x80\xae" + b"y" * 300
    shown = read_visitor("192.0.2.7", [(b"user-agent", sent)]).user_agent
    assert shown == ("<b>??[31m???" + "y" * 300)[:MOST_CHARACTERS]


def test_a_browser_that_says_nothing_has_no_name() -> None:
    for headers in ([], [(b"user-agent", b"")], [(b"user-agent", b"   ")]):
        assert read_visitor("", headers).user_agent is None


async def test_sessions_are_listed_newest_first_and_one_is_ended(world: World) -> None:
    old, new = await signed_in(world), await signed_in(world)
    await signed_in(world, "bob")
    listed: Json = (await new.get("/v1/sessions")).json()
    assert [item["id"] for item in listed["items"]] == [str(new.session_id), str(old.session_id)]
    assert [item["current"] for item in listed["items"]] == [True, False]
    assert [item["address"] for item in listed["items"]] == [new.address, old.address]

    ended = await new.delete(f"/v1/sessions/{old.session_id}")
    assert ended.status_code == 204, ended.text
    again = await new.delete(f"/v1/sessions/{old.session_id}")
    assert again.status_code == 404
    await refused(old, "ended")
    left: Json = (await new.get("/v1/sessions")).json()
    assert [item["id"] for item in left["items"]] == [str(new.session_id)]


async def test_all_other_sessions_are_ended_at_once(world: World) -> None:
    others = [await signed_in(world) for _ in range(3)]
    mine, bob = await signed_in(world), await signed_in(world, "bob")
    answer = await mine.delete("/v1/sessions")
    assert answer.json() == {"ended": 3}
    for page in others:
        await refused(page, "ended")
    assert (await mine.get("/v1/bots")).status_code == 200
    assert (await bob.get("/v1/bots")).status_code == 200
    # A program with a token has no session of its own.
    assert (await world.user().delete("/v1/sessions")).json() == {"ended": 1}
    await refused(mine, "ended")


async def test_another_account_s_session_is_not_found(world: World) -> None:
    alice, bob = await signed_in(world), await signed_in(world, "bob")
    assert (await bob.delete(f"/v1/sessions/{alice.session_id}")).status_code == 404
    assert (await alice.get("/v1/bots")).status_code == 200


async def test_sessions_that_are_over_are_deleted_after_a_day(world: World) -> None:
    live, ended, expired = [await signed_in(world) for _ in range(3)]
    await write(
        world,
        "UPDATE dashboard_sessions SET ended_at = now() - interval '23 hours' WHERE id = :ended",
        ended=ended.session_id,
    )
    await write(
        world,
        "UPDATE dashboard_sessions SET expires_at = now() - interval '25 hours'"
        " WHERE id = :expired",
        expired=expired.session_id,
    )
    assert await sweep(world.context.database.sessions) == 1
    assert await row(world, expired) is None
    await write(
        world,
        "UPDATE dashboard_sessions SET ended_at = now() - interval '25 hours' WHERE id = :ended",
        ended=ended.session_id,
    )
    assert await sweep(world.context.database.sessions) == 1
    assert await row(world, live) is not None


async def test_closing_the_account_leaves_one_session_to_watch_it(world: World) -> None:
    """Rule R71."""
    mine, other = await signed_in(world), await signed_in(world)
    closing = await mine.delete("/v1/account")
    assert closing.status_code == 202, closing.text
    place = closing.headers["location"]
    await refused(other, "unknown")
    assert (await mine.get("/v1/bots")).json()["code"] == "account_closing"
    assert (await mine.get(place)).status_code == 200
    found = await row(world, mine)
    assert (found.address, found.user_agent) == ("", None)
    assert (found.expires_at - found.created_at).total_seconds() < 3700

    await world.purge()
    done = await mine.get(place)
    assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    await refused(mine, "account_closed")


async def test_a_bot_s_route_takes_no_session(world: World) -> None:
    page = await signed_in(world)
    answer = await page.get("/v1/runtime/config")
    assert (answer.status_code, answer.json()["reason"]) == (401, "missing")


async def test_a_browser_without_a_session_gets_a_reason(world: World) -> None:
    answer = await browser(world.app).get("/auth/session")
    assert (answer.status_code, answer.json()["reason"]) == (401, "no_session")


async def test_a_further_session_than_an_account_may_have_ends_the_oldest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MOST_SESSIONS", 2)
    first, second = await signed_in(world), await signed_in(world)
    bob = await signed_in(world, "bob")
    third = await signed_in(world)
    await refused(first, "ended")
    for page in (second, third, bob):
        assert (await page.get("/v1/bots")).status_code == 200


def test_of_two_cookies_or_headers_of_one_name_none_counts() -> None:
    same = [(b"sec-fetch-site", b"same-origin"), (b"x-botkeys", b"1")]
    cookie = (b"cookie", b"a=1; botkeys=x;b=2; botkeys-sign-in=y")
    assert read_session_cookie([*same, cookie], "botkeys") == "x"
    split = [(b"cookie", b"a=1"), (b"cookie", b"botkeys=x")]
    assert read_session_cookie([*same, *split], "botkeys") == "x"
    for headers in (
        [*same, cookie, cookie],
        [*same, (b"cookie", b"Botkeys=x; botkeys; =botkeys; xbotkeys=x")],
        [*same, same[0], cookie],
        [*same, same[1], cookie],
        [same[0], cookie],
        [*same, cookie, (b"authorization", b"")],
        same,
    ):
        assert read_session_cookie(headers, "botkeys") is None
