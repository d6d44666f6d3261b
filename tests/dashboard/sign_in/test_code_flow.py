"""The sign-in with an issuer: the way there and back, and everything that can go wrong on it."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from app.auth.principal import account_id
from app.auth.remote_keys import RemoteKeys
from app.auth.verifier import TokenVerifier
from app.dashboard.sign_in.states import LIFETIME, SignInStates, new_browser
from app.main import use_context
from app.process import dashboard
from app.process.outbound import outbound_of
from app.settings import Mode, Role, Settings, SettingsError
from botkeys import base64url
from botkeys.sealing.boxes import SecretBytes
from botkeys.transport.client import ASGITransport, HttpTransport, Rate, TransportLimits
from tests.support.browsers import Browser, browser
from tests.support.issuer import (
    ALGORITHM,
    CLIENT_ID,
    CLIENT_SECRET,
    ISSUER,
    TestIssuer,
    no_json,
    without_id_token,
)
from tests.support.limits import ABUNDANT
from tests.support.world import Json, World

URL = "https://botkeys.test"
LIMITS = TransportLimits(attempts=1, rate_per_host=Rate(10_000, 1.0))
_ADDRESSES = itertools.count(1)


@pytest.fixture
def issuer() -> TestIssuer:
    return TestIssuer()


@pytest.fixture
async def signing(
    world: World, issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Provide the service in front of the issuer, on https."""
    settings = Settings(
        mode=Mode.DEVELOPMENT,
        data_dir=world.context.settings.data_dir,
        public_url=URL,
        oidc_issuer=ISSUER,
        dashboard_client_id=CLIENT_ID,
        dashboard_client_secret=SecretStr(CLIENT_SECRET),
        dashboard_scopes=("profile", "openid"),
        **ABUNDANT,
    )
    reached = ASGITransport(issuer.app())
    monkeypatch.setattr(
        dashboard,
        "HttpTransport",
        lambda _limits, **given: HttpTransport(LIMITS, **given, transport=reached),
    )
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(HttpTransport(LIMITS, transport=reached))
        keys = RemoteKeys(transport, issuer=ISSUER)
        stack.push_async_callback(keys.close)
        verifier = TokenVerifier(ISSUER, settings.oidc_audience, [ALGORITHM], keys)
        id_tokens = dashboard.id_token_verifier(settings, keys)
        flow = await dashboard.open_code_flow(
            settings, Role.ALL, id_tokens, outbound_of(settings), stack
        )
        context = replace(world.context, settings=settings, verifier=verifier, code_flow=flow)
        use_context(world.app, context)
        yield replace(world, context=context)


def person(world: World) -> Browser:
    """Return a browser somewhere in the world."""
    return browser(world.app, URL, address=f"198.51.100.{next(_ADDRESSES)}")


async def begin(page: Browser, return_to: str | None = None) -> str:
    """Begin to sign in; return the issuer's address."""
    query = "" if return_to is None else f"?return_to={quote(return_to, safe='')}"
    answer = await page.visit(f"/auth/login{query}", "same-origin")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def come_back(page: Browser, address: str) -> httpx.Response:
    return await page.visit(address, "cross-site")


def refused(answer: httpx.Response, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert sentence in answer.text
    assert not [one for one in answer.headers.get_list("set-cookie") if "bks_" in one]


OVER = "It was finished before, took longer than ten minutes, or began in another browser."
UNACCEPTABLE = "The answer of your sign-in service cannot be accepted."


async def test_a_person_signs_in_and_is_where_they_were(signing: World, issuer: TestIssuer) -> None:
    """Rule R73."""
    page = person(signing)
    there = await page.visit("/auth/login?return_to=%2Fkeys%3Fenvironment%3Dtestnet", "same-origin")
    (cookie,) = there.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-botkeys-sign-in=")
    assert cookie.endswith("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax")
    asked = parse_qs(urlsplit(there.headers["location"]).query)
    assert asked["scope"] == ["openid profile"]
    assert asked["redirect_uri"] == [f"{URL}/auth/callback"]

    back = await come_back(page, issuer.authorize(there.headers["location"]))
    assert (back.status_code, back.headers["location"]) == (303, "/keys?environment=testnet")
    (cookie,) = back.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-botkeys=bks_")
    assert cookie.endswith("; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Strict")
    session: Json = (await page.get("/auth/session")).json()
    assert (session["subject"], session["account_id"]) == (
        "alice",
        str(account_id(ISSUER, "alice")),
    )
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "botkeys", "sub": "alice", "iat": now, "exp": now + 60}
    token = issuer.sign({**claims, "scope": "bots:read bots:write"})
    made = await page.post("/v1/bots", {"name": "by the page"})
    assert made.status_code == 201, made.text
    listed = await page.get("/v1/bots", headers={"Authorization": f"Bearer {token}"})
    assert [bot["name"] for bot in listed.json()["items"]] == ["by the page"]


async def test_an_id_token_is_no_key_to_the_api(signing: World, issuer: TestIssuer) -> None:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "alice", "iat": now, "exp": now + 60}
    token = issuer.sign({**claims, "scope": "bots:read"})
    answer = await person(signing).get("/v1/bots", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_audience")


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.test", "///evil.test", "https://evil.test", "http:evil.test", "/\\evil.test",
        "\\\\evil.test", "/\t/evil.test", "/%09/evil.test", "/%2f/evil.test", "/%2F%2Fevil.test",
        "/%5cevil.test", "/%252fevil.test", "/a//evil.test", "/./evil", "/../evil", "/a/..",
        "javascript:alert(1)", "data:text/html,x", "keys", "", "/\n", "/\r\nX: y", "/\u2044\u2044e",
        "/keys#//evil.test", "/keys?a=\\", "/@evil.test\x00", "/auth/login", "/auth", "/v1/bots",
        "/" + "a" * 400, " /keys", "/keys ", "/<script>", '/"onload="',
    ],
)  # fmt: skip
async def test_nobody_is_sent_to_another_site(
    signing: World, issuer: TestIssuer, wanted: str
) -> None:
    page = person(signing)
    back = await come_back(page, issuer.authorize(await begin(page, wanted)))
    assert (back.status_code, back.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "wanted", ["/", "/keys", "/keys/01938a5e-0000-7000-8000-000000000000", "/a%20b/?x=1&y=%2F/?"]
)
async def test_a_page_of_ours_is_returned_to(
    signing: World, issuer: TestIssuer, wanted: str
) -> None:
    page = person(signing)
    back = await come_back(page, issuer.authorize(await begin(page, wanted)))
    assert (back.status_code, back.headers["location"]) == (303, wanted)


async def test_an_answer_counts_once(signing: World, issuer: TestIssuer) -> None:
    """Rule R72. Even where the issuer takes a code twice."""
    for issuer.reuses_codes, status, sentence in ((False, 401, UNACCEPTABLE), (True, 400, OVER)):
        page = person(signing)
        answer = issuer.authorize(await begin(page))
        assert (await come_back(page, answer)).status_code == 303
        cookie = page.cookie
        refused(await come_back(page, answer), status, sentence)
        assert page.cookie == cookie


async def test_an_answer_counts_in_the_browser_that_began(
    signing: World, issuer: TestIssuer
) -> None:
    """Rule R73. Somebody else's answer would sign a person in to somebody else's account."""
    attacker, victim, other = person(signing), person(signing), person(signing)
    answer = issuer.authorize(await begin(attacker), "mallory")
    refused(await come_back(victim, answer), 400, OVER)
    await begin(other)
    refused(await come_back(other, answer), 400, OVER)
    assert (await come_back(attacker, answer)).status_code == 303


async def test_two_tabs_of_a_browser_sign_in_side_by_side(
    signing: World, issuer: TestIssuer
) -> None:
    page = person(signing)
    first, second = await begin(page, "/one"), await begin(page, "/two")
    for address, path in ((second, "/two"), (first, "/one")):
        back = await come_back(page, issuer.authorize(address))
        assert (back.status_code, back.headers["location"]) == (303, path)
    assert (await page.get("/v1/bots")).status_code == 200


async def test_a_session_that_ended_in_one_tab_is_renewed_for_the_other(
    signing: World, issuer: TestIssuer
) -> None:
    page = person(signing)
    await come_back(page, issuer.authorize(await begin(page)))
    former = page.cookie
    await page.post("/auth/logout")
    assert (await page.get("/v1/bots")).json()["reason"] == "missing"
    await come_back(page, issuer.authorize(await begin(page)))
    assert (await page.get("/v1/bots")).status_code == 200
    page.take(former)
    assert (await page.get("/v1/bots")).json()["reason"] == "ended"


async def test_signing_in_again_replaces_the_browser_s_session(
    signing: World, issuer: TestIssuer
) -> None:
    page = person(signing)
    await come_back(page, issuer.authorize(await begin(page)))
    former = page.cookie
    await come_back(page, issuer.authorize(await begin(page)))
    sessions: Json = (await page.get("/v1/sessions")).json()
    assert [one["id"] for one in sessions["items"]] == [str(page.session_id)]
    assert former != page.cookie


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"iss": "https://other.test"}, UNACCEPTABLE),
        ({"iss": ISSUER + "/"}, UNACCEPTABLE),
        ({"iss": None}, UNACCEPTABLE),
        ({"code": None}, UNACCEPTABLE),
        ({"code": ""}, UNACCEPTABLE),
        ({"code": "invented"}, UNACCEPTABLE),
        ({"code": None, "error": "access_denied"}, "did not allow it"),
        ({"error": "access_denied"}, "did not allow it"),
        ({"code": None, "error": "<img src=x>"}, "answered with an error"),
        (
            {"code": None, "error": "server_error", "error_description": "<b>PLANTED</b>"},
            "had a problem",
        ),
    ],
)
async def test_an_answer_that_signs_nobody_in_is_a_sentence(
    signing: World, issuer: TestIssuer, parameters: dict[str, str | None], reason: str
) -> None:
    page = person(signing)
    answer = await come_back(
        page, issuer.authorize(await begin(page, "/keys"), "alice", **parameters)
    )
    refused(answer, 401, reason)
    assert "PLANTED" not in answer.text
    assert "<img" not in answer.text
    assert 'href="/auth/login?return_to=%2Fkeys"' in answer.text


@pytest.mark.parametrize("state", [None, "", "x", "A" * 200, "A" * 2000, "é"])
async def test_a_state_that_did_not_begin_here_is_refused(
    signing: World, issuer: TestIssuer, state: str | None
) -> None:
    page = person(signing)
    refused(await come_back(page, issuer.authorize(await begin(page), state=state)), 400, OVER)
    assert "token" not in issuer.asked


async def test_a_state_cannot_be_altered(signing: World, issuer: TestIssuer) -> None:
    page = person(signing)
    address = await begin(page, "/keys")
    (state,) = parse_qs(urlsplit(address).query)["state"]
    raw = base64url.decode(state)
    assert raw is not None
    for altered in (raw.replace(b"/keys", b"/evil"), b"\xff" + raw[1:], raw[:-1] + b"\x00"):
        answer = issuer.authorize(address, state=base64url.encode(altered))
        refused(await come_back(page, answer), 400, OVER)
    assert (await come_back(page, issuer.authorize(address))).status_code == 303


@pytest.mark.parametrize("name", ["code", "state", "iss", "error"])
async def test_a_parameter_that_is_sent_twice_is_refused(
    signing: World, issuer: TestIssuer, name: str
) -> None:
    page = person(signing)
    answer = issuer.authorize(await begin(page))
    refused(await come_back(page, f"{answer}&{name}=a&{name}=b"), 422, UNACCEPTABLE)


def test_a_state_ends_after_ten_minutes_and_begins_no_earlier() -> None:
    key, now, mine = SecretBytes(bytes(32)), 1_000_000.0, new_browser()
    text = SignInStates(key, lambda: now).begin(mine, "/").text
    for later, works in ((0, True), (LIFETIME - 1, True), (LIFETIME, False), (-1, False)):
        states = SignInStates(key, lambda later=later: now + later)  # type: ignore[misc]
        assert (states.read(mine, text) is not None) is works
    states = SignInStates(key, lambda: now)
    for other in (None, "", new_browser(), mine + "A"):
        assert states.read(other, text) is None


def test_verifier_and_nonce_are_of_one_state_alone_and_not_in_it() -> None:
    key, mine = SecretBytes(bytes(32)), new_browser()
    states = SignInStates(key)
    begun = [states.begin(mine, "/") for _ in range(50)]
    assert len({one for state in begun for one in (state.verifier, state.nonce)}) == 100
    for state in begun:
        assert len(state.verifier) == 43
        assert state.verifier not in state.text
        assert states.read(mine, state.text) == state


def at_present(claims: Json) -> Json:
    """Return the claims with times that count from now."""
    now = int(time.time())
    return {
        name: value + now if name in ("exp", "iat", "nbf") and value is not None else value
        for name, value in claims.items()
    }


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"nonce": None}, {}),
        ({"nonce": "another"}, {}),
        ({"nonce": 7}, {}),
        ({"aud": "botkeys"}, {}),
        ({"aud": [CLIENT_ID, "other"]}, {}),
        ({"aud": [CLIENT_ID, "other"], "azp": "other"}, {}),
        ({"azp": "other"}, {}),
        ({"iss": "https://other.test"}, {}),
        ({"exp": -120}, {}),
        ({"exp": None}, {}),
        ({"iat": 3600}, {}),
        ({"nbf": 3600}, {}),
        ({"exp": 10**7}, {}),
        ({"sub": None}, {}),
        ({"sub": ""}, {}),
        ({"sub": 7}, {}),
        ({"sub": "\u202ealice"}, {}),
        ({}, {"kid": "two"}),
        ({}, {"typ": "at+jwt"}),
        ({}, {"typ": "logout+jwt"}),
    ],
    ids=str,
)
async def test_an_id_token_that_is_not_of_this_sign_in_signs_nobody_in(
    signing: World, issuer: TestIssuer, claims: Json, header: Json
) -> None:
    """Rule R73."""
    issuer.claims, issuer.header = at_present(claims), header
    page = person(signing)
    refused(await come_back(page, issuer.authorize(await begin(page))), 401, UNACCEPTABLE)
    assert page.cookie == ""


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID},
        {"azp": CLIENT_ID},
        {"iat": 20},
        {"exp": -10},
        {"scope": "act_as", "client_id": "robot"},
    ],
    ids=str,
)
async def test_an_id_token_of_this_sign_in_signs_in_as_its_subject(
    signing: World, issuer: TestIssuer, claims: Json
) -> None:
    issuer.claims = at_present(claims)
    page = person(signing)
    assert (await come_back(page, issuer.authorize(await begin(page)))).status_code == 303
    session: Json = (await page.get("/auth/session")).json()
    assert session["subject"] == "alice"
    assert "act_as" not in session["scopes"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (without_id_token, 401),
        (no_json, 401),
        (lambda _: JSONResponse([]), 401),
        (lambda _: JSONResponse({"id_token": 7}), 401),
        (lambda _: JSONResponse({"id_token": "a.b.c"}), 401),
        (lambda body: JSONResponse(body, 201), 401),
        (lambda _: Response(status_code=302, headers={"Location": "https://evil.test/"}), 503),
        (lambda _: Response(b"x" * 300_000), 401),
        (lambda _: Response(status_code=500), 503),
    ],
)
async def test_an_issuer_that_answers_nonsense_signs_nobody_in(
    signing: World, issuer: TestIssuer, answer: Any, status: int
) -> None:
    issuer.answer = answer
    page = person(signing)
    refused(
        await come_back(page, issuer.authorize(await begin(page))),
        status,
        "Sign in again" if status == 401 else "does not answer",
    )


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.test"},
        {"authorization_endpoint": "http://issuer.test/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"end_session_endpoint": "ftp://issuer.test"},
    ],
    ids=str,
)
async def test_an_issuer_whose_document_is_wrong_is_not_used(
    signing: World, issuer: TestIssuer, document: Json
) -> None:
    issuer.document = document
    answer = await person(signing).visit("/auth/login")
    refused(answer, 503, "cannot be reached")
    assert int(answer.headers["retry-after"]) >= 1


async def test_an_issuer_that_is_away_is_asked_again_but_not_by_everybody(
    signing: World, issuer: TestIssuer
) -> None:
    issuer.away = True
    for _ in range(5):
        refused(await person(signing).visit("/auth/login"), 503, "cannot be reached")
    assert issuer.asked == ["discovery"]


async def test_discovery_is_asked_once_for_many_people(signing: World, issuer: TestIssuer) -> None:
    for _ in range(10):
        await begin(person(signing))
    assert issuer.asked == ["discovery"]


async def test_a_client_may_have_to_send_its_secret_in_the_body(
    signing: World, issuer: TestIssuer
) -> None:
    issuer.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    page = person(signing)
    assert (await come_back(page, issuer.authorize(await begin(page)))).status_code == 303


async def test_an_older_issuer_does_not_name_itself_and_its_address_may_have_a_query(
    signing: World, issuer: TestIssuer
) -> None:
    issuer.document = {
        "authorization_response_iss_parameter_supported": False,
        "authorization_endpoint": f"{ISSUER}/authorize?tenant=a%26b",
    }
    page = person(signing)
    address = await begin(page)
    assert address.startswith(f"{ISSUER}/authorize?tenant=a%26b&response_type=code&")
    assert (await come_back(page, issuer.authorize(address, iss=None))).status_code == 303


async def test_signing_out_goes_on_at_the_issuer(signing: World, issuer: TestIssuer) -> None:
    page = person(signing)
    await come_back(page, issuer.authorize(await begin(page)))
    left: Json = (await page.post("/auth/logout")).json()
    parts = urlsplit(left["location"])
    assert left["location"].startswith(f"{ISSUER}/end?")
    assert parse_qs(parts.query) == {
        "client_id": [CLIENT_ID],
        "post_logout_redirect_uri": [f"{URL}/"],
    }


async def test_a_stranger_who_begins_to_sign_in_stores_nothing(
    signing: World, issuer: TestIssuer
) -> None:
    page = person(signing)
    answers = [await page.visit("/auth/login") for _ in range(40)]
    assert {answer.status_code for answer in answers} == {303, 429}
    async with signing.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM dashboard_sessions")) == 0


async def test_with_an_issuer_there_are_no_links(signing: World) -> None:
    page = browser(signing.app, URL)
    assert (await page.visit("/auth/link/x")).status_code == 410


async def test_without_an_issuer_the_sign_in_says_what_to_do(world: World) -> None:
    for path in ("/auth/login", "/auth/callback?code=x&state=y"):
        answer = await browser(world.app).visit(path)
        refused(answer, 404, "botkeys dashboard --account alice")


PRODUCTION: Json = {
    "mode": Mode.PRODUCTION,
    "dashboard": True,
    "oidc_issuer": ISSUER,
    "public_url": URL,
    "dashboard_client_id": CLIENT_ID,
    "dashboard_client_secret": SecretStr(CLIENT_SECRET),
}


@pytest.mark.parametrize("name", dashboard.NEEDED)
def test_a_dashboard_in_production_needs_what_signs_people_in(name: str) -> None:
    settings = Settings(**{**PRODUCTION, name: None})
    with pytest.raises(SettingsError, match=f"BOTKEYS_{name.upper()} must be set"):
        dashboard.require_dashboard_settings(settings, Role.API)
    if name not in dashboard.NEEDED_AT_RUNTIME:
        dashboard.require_dashboard_settings(settings, Role.RUNTIME)
    else:
        with pytest.raises(SettingsError, match=f"BOTKEYS_{name.upper()} must be set"):
            dashboard.require_dashboard_settings(settings, Role.RUNTIME)
    dashboard.require_dashboard_settings(
        Settings(**{**PRODUCTION, name: None, "dashboard": None}), Role.API
    )


def test_a_dashboard_in_production_is_on_https() -> None:
    """Rule R74."""
    dashboard.require_dashboard_settings(Settings(**PRODUCTION), Role.ALL)
    settings = Settings(**{**PRODUCTION, "public_url": "http://127.0.0.1:8000"})
    with pytest.raises(SettingsError, match="https://"):
        dashboard.require_dashboard_settings(settings, Role.ALL)


@pytest.mark.parametrize(
    "url",
    ["http://botkeys.test", "https://botkeys.test/path", "https://a@botkeys.test", "botkeys.test",
     "https://botkeys.test?x", "https://", "ftp://botkeys.test", "https://bötkeys.test"],
)  # fmt: skip
def test_a_public_url_is_an_origin(url: str) -> None:
    with pytest.raises(ValueError, match="BOTKEYS_PUBLIC_URL"):
        Settings(mode=Mode.DEVELOPMENT, public_url=url)
