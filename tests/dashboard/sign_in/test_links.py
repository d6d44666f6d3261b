"""One-time links of development: who may use one, from where, and how often."""

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from app.dashboard.sign_in.one_time_links import LIFETIME, OneTimeLinks
from app.main import use_context
from app.settings import Mode, Settings
from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes
from tests.support.browsers import Browser, browser
from tests.support.world import Json, World


def link(world: World, account: str = "alice") -> str:
    return OneTimeLinks(world.context.audit).make(account)


async def press(page: Browser, path: str, site: str = "same-origin") -> Any:
    return await page.http.post(path, headers={"Sec-Fetch-Site": site})


async def test_a_link_signs_in_once(world: World) -> None:
    """Rule R72."""
    page, path = browser(world.app), link(world)
    shown = await page.visit(path)
    assert shown.status_code == 200
    assert f'action="{path}"' in shown.text
    assert "alice" not in shown.text
    assert "set-cookie" not in shown.headers

    pressed = await press(page, path)
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/")
    (cookie,) = pressed.headers.get_list("set-cookie")
    assert re.fullmatch(
        r"botkeys=bks_[\w-]{86}; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict", cookie
    )
    session: Json = (await page.get("/auth/session")).json()
    assert session["subject"] == "alice"
    assert UUID(session["session_id"]) == page.session_id
    assert "act_as" not in session["scopes"]
    assert "account:admin" in session["scopes"]
    assert session["expires_at"] > session["created_at"]

    for _ in range(2):
        again = await press(browser(world.app), path)
        assert again.status_code == 410
        assert "set-cookie" not in again.headers


async def test_looking_at_a_link_uses_nothing_up(world: World) -> None:
    path = link(world)
    for purpose in ("prefetch", "preview", "none"):
        answer = await browser(world.app).visit(path, **{"Sec-Purpose": purpose})
        assert answer.status_code == 200
    assert (await press(browser(world.app), path)).status_code == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
async def test_only_our_own_button_uses_a_link(world: World, site: str) -> None:
    path = link(world)
    assert (await press(browser(world.app), path, site)).status_code == 410
    assert (await press(browser(world.app), path)).status_code == 303


async def test_a_link_works_on_this_machine_alone(world: World) -> None:
    path = link(world)
    for address in ("192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7"):
        page = browser(world.app, address=address)
        assert (await page.visit(path)).status_code == 410
        assert (await press(page, path)).status_code == 410
    assert (await press(browser(world.app, address="::1"), path)).status_code == 303


async def test_a_link_that_was_not_made_here_or_was_altered_is_useless(world: World) -> None:
    path = link(world)
    token = path.rpartition("/")[2]
    raw = base64url.decode(token)
    assert raw is not None
    elsewhere = OneTimeLinks(SecretBytes(bytes(32))).make("alice")
    changed = [
        elsewhere,
        path[:-1],
        path + "A",
        path.removesuffix(token) + "x",
        path.removesuffix(token) + "A" * 3000,
        path.removesuffix(token) + base64url.encode(raw.replace(b"alice", b"malic")),
    ]
    for altered in changed:
        for answer in (
            await browser(world.app).visit(altered),
            await press(browser(world.app), altered),
        ):
            assert answer.status_code == 410, altered
            assert token not in answer.text


def test_a_link_ends_after_some_minutes_and_begins_no_earlier() -> None:
    key, now = SecretBytes(bytes(32)), 1_000_000.0
    token = OneTimeLinks(key, lambda: now).make("alice").rpartition("/")[2]
    for later, works in ((0, True), (LIFETIME - 1, True), (LIFETIME, False), (-1, False)):
        links = OneTimeLinks(key, lambda later=later: now + later)  # type: ignore[misc]
        assert (links.read(token) is not None) is works


@pytest.mark.parametrize("name", ["", " alice", "a" * 256, "a\nb", "\u202ealice"])
def test_a_link_for_no_possible_account_is_not_made(name: str) -> None:
    with pytest.raises(ValueError, match="an account name"):
        OneTimeLinks(SecretBytes(bytes(32))).make(name)


async def test_a_new_session_replaces_the_browser_s_former_one(world: World) -> None:
    page = browser(world.app)
    await press(page, link(world))
    former = page.cookie
    await press(page, link(world))
    assert page.cookie != former
    listed: Json = (await page.get("/v1/sessions")).json()
    assert [item["id"] for item in listed["items"]] == [str(page.session_id)]
    page.take(former)
    assert (await page.get("/auth/session")).json()["reason"] == "ended"


async def test_another_person_s_session_in_the_same_browser_goes_on(world: World) -> None:
    page = browser(world.app)
    await press(page, link(world, "bob"))
    bob = page.cookie
    await press(page, link(world))
    other = browser(world.app)
    other.take(bob)
    assert (await other.get("/auth/session")).json()["subject"] == "bob"
    assert (await page.get("/auth/session")).json()["subject"] == "alice"


async def test_a_link_from_before_the_account_s_closure_opens_nothing(world: World) -> None:
    page, used, unused = browser(world.app), link(world), link(world)
    await press(page, used)
    assert (await page.delete("/v1/account")).status_code == 202
    await world.purge()
    for path in (used, unused):
        assert (await press(browser(world.app), path)).status_code == 410


async def test_signing_out_ends_the_session_in_every_tab(world: World) -> None:
    page = browser(world.app)
    await press(page, link(world))
    second = browser(world.app)
    second.take(page.cookie)
    answer = await page.post("/auth/logout")
    assert (answer.status_code, answer.json()) == (200, {"location": "/"})
    assert page.cookie == ""
    refused = await second.get("/v1/bots")
    assert (refused.json()["code"], refused.json()["reason"]) == ("session_expired", "ended")
    assert second.cookie == ""
    # Its tab may still say that it wants to sign out.
    page.take("bks_" + "A" * 86)
    assert (await page.post("/auth/logout")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"X-Botkeys": "0"},
        {"X-Botkeys": ""},
    ],
)
async def test_no_other_site_signs_anybody_out_or_sees_who_is_signed_in(
    world: World, headers: dict[str, str]
) -> None:
    page = browser(world.app)
    await press(page, link(world))
    for answer in (
        await page.post("/auth/logout", headers=headers),
        await page.get("/auth/session", headers=headers),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (401, "no_session")
    assert (await page.get("/v1/bots")).status_code == 200


async def test_pages_of_the_sign_in_run_no_script_and_stand_in_no_frame(world: World) -> None:
    for path in (link(world), "/auth/link/x"):
        answer = await browser(world.app).visit(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text


async def test_attempts_from_one_address_are_limited(world: World) -> None:
    page = browser(world.app, address="127.2.0.1")
    answers = [await page.visit("/auth/link/x") for _ in range(40)]
    assert {answer.status_code for answer in answers} == {410, 429}
    assert answers[-1].headers["content-type"].startswith("text/html")
    assert int(answers[-1].headers["retry-after"]) >= 1
    other = browser(world.app, address="127.2.0.2")
    assert (await other.visit("/auth/link/x")).status_code == 410


def test_with_an_issuer_of_its_own_alone_development_has_links(world: World) -> None:
    for settings in (
        Settings(mode=Mode.DEVELOPMENT, oidc_issuer="https://issuer.test"),
        Settings(mode=Mode.PRODUCTION, dashboard=True),
    ):
        context = replace(world.context, settings=settings)
        use_context(world.app, context)
        assert world.app.state.sign_in.links is None
