"""Requests above a limit, over the API: by account, by bot, and by address before any proof."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import func, select

from app.auth.development_issuer import DevelopmentIssuer
from app.auth.signed_token import CompactReader
from app.db.models import AuditEvent
from tests.support.limits import request_limits
from tests.support.variants import changed
from tests.support.world import Bot, User, World

ADDRESS = "198.51.100.7"


@asynccontextmanager
async def limited(world: World, **limits: Any) -> AsyncIterator[World]:
    async with changed(world, limits=request_limits(**limits), address=ADDRESS) as other:
        yield other


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def test_an_account_is_limited_and_no_other(world: World) -> None:
    """Verifies rule R32."""
    counted: list[str] = []
    async with limited(world, account=6, counted=counted) as here:
        alice, bob = here.user("alice"), here.user("bob")
        answers = [await alice.get("/v1/bots") for _ in range(8)]
        assert statuses(answers) == [200] * 6 + [429] * 2
        refused = answers[-1]
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "rate_limited"
        after = refused.headers["retry-after"]
        assert 0 < int(after) <= 10
        assert refused.json()["retry_after"] == int(after)
        assert refused.headers["ratelimit-policy"] == '"account";q=6;w=60'
        assert refused.headers["ratelimit"] == f'"account";r=0;t={after}'
        assert (await bob.get("/v1/bots")).status_code == 200
    assert counted == ["account", "account"]


async def test_a_service_is_counted_by_the_account_that_it_acts_for(world: World) -> None:
    async with limited(world, account=3) as here:
        service = here.user("some-service", scopes="act_as bots:read")
        answers = [
            await service.get("/v1/bots", headers={"X-Account-Id": name})
            for name in ["alice"] * 4 + ["bob"] * 2
        ]
        assert statuses(answers) == [200] * 3 + [429] + [200] * 2
        alone = await here.user("alice").get("/v1/bots")
        assert alone.status_code == 429


async def test_a_limited_write_changes_nothing_and_leaves_no_audit_entry(world: World) -> None:
    async with limited(world, account=1) as here:
        alice = here.user("alice")
        answers = [await alice.post("/v1/bots", {"name": str(n)}) for n in range(4)]
        assert statuses(answers) == [201, 429, 429, 429]
    async with world.context.database.sessions() as session:
        written = await session.scalar(select(func.count()).select_from(AuditEvent))
    assert written == 1


async def test_a_bot_is_limited_and_neither_its_neighbour_nor_its_account(world: World) -> None:
    """Verifies rule R32."""
    first, _, _ = await world.user().ready_bot()
    second = await world.user().mint((await world.user().add_bot("second"))["id"])
    async with limited(world, bot=4) as here:
        one, two = Bot(here.http, first.token), Bot(here.http, second.token)
        answers = [await one.get("/v1/runtime/config") for _ in range(6)]
        assert statuses(answers) == [200] * 4 + [429] * 2
        assert answers[-1].headers["ratelimit-policy"] == '"bot";q=4;w=60'
        assert (await two.get("/v1/runtime/config")).status_code == 200
        assert (await here.user().get("/v1/bots")).status_code == 200


async def test_nobody_uses_up_the_requests_of_a_bot_whose_id_it_knows(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()
    revoked = bot.token
    bot = await world.user().mint(str(bot.id))
    async with limited(world, bot=2) as here:
        for _ in range(10):
            assert (await Bot(here.http, revoked).get("/v1/runtime/config")).status_code == 401
        assert (await Bot(here.http, bot.token).get("/v1/runtime/config")).status_code == 200


@pytest.mark.parametrize("token", [None, "nonsense", "bkb_nonsense"])
@pytest.mark.parametrize("path", ["/v1/bots", "/v1/runtime/config"])
async def test_an_address_that_proves_nobody_is_limited(
    world: World, token: str | None, path: str
) -> None:
    """Verifies rule R33."""
    counted: list[str] = []
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with limited(world, address=5, counted=counted) as here:
        answers = [await here.http.get(path, headers=headers) for _ in range(7)]
        assert statuses(answers) == [401] * 5 + [429] * 2
        assert answers[-1].headers["ratelimit-policy"] == '"address";q=5;w=60'
        # Who is known to be valid is never counted by address.
        assert (await here.user().get("/v1/bots")).status_code == 200
    assert counted == ["address", "address"]


class Forger:
    """Makes tokens that only their signature gives away, one after another."""

    def __init__(self, world: World) -> None:
        self._stranger = DevelopmentIssuer(world.context.settings.keys_folder)
        key = self._stranger._key
        assert isinstance(key, ECKey)
        self._stranger._key = ECKey.generate_key("P-256", {"kid": str(key.kid)})
        self._made = 0

    def token(self, account: str | None = None) -> str:
        self._made += 1
        return self._stranger.token(account or f"invented-{self._made}")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Provide a list that grows with each signature that is verified."""
    calls: list[None] = []
    original = CompactReader.is_signed_by

    def counting(self: CompactReader, *given: Any) -> bool:
        calls.append(None)
        return original(self, *given)

    monkeypatch.setattr(CompactReader, "is_signed_by", counting)
    return calls


async def test_an_address_that_sends_forged_tokens_costs_a_bounded_number_of_verifications(
    world: World, verified: list[None]
) -> None:
    """Verifies rule R33."""
    async with limited(world, address=10) as here:
        forger = Forger(world)
        for _ in range(300):
            answer = await User(here.http, forger.token(), here).get("/v1/bots")
            assert answer.status_code in {401, 429}
        # 10 at once, 25 newcomers at once, and some more for the time that this takes.
        assert len(verified) < 100
        assert answer.status_code == 429


async def test_who_was_proven_at_an_address_gets_in_with_a_new_token_whatever_others_send(
    world: World, verified: list[None]
) -> None:
    async with limited(world, address=5) as here:
        assert (await here.user("alice").get("/v1/bots")).status_code == 200
        forger = Forger(world)
        for _ in range(100):
            await User(here.http, forger.token(), here).get("/v1/bots")
        before = len(verified)
        assert (await here.user("alice").get("/v1/bots")).status_code == 200
        assert len(verified) == before + 1


async def test_a_newcomer_gets_in_beside_a_broken_client(world: World) -> None:
    async with limited(world, address=5) as here:
        forger = Forger(world)
        for _ in range(100):
            await User(here.http, forger.token("broken"), here).get("/v1/bots")
        assert (await here.user("newcomer").get("/v1/bots")).status_code == 200


async def test_a_bot_gets_in_from_an_address_of_which_others_invent_bots(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()
    stale = bot.token
    bot = await world.user().mint(str(bot.id))
    other = await world.user().mint((await world.user().add_bot("other"))["id"])
    await world.user().mint(str(other.id))
    async with limited(world, address=3) as here:
        mine = Bot(here.http, bot.token)
        assert (await mine.get("/v1/runtime/config")).status_code == 200
        for _ in range(50):
            await Bot(here.http, other.token).get("/v1/runtime/config")
        refused = await Bot(here.http, other.token).get("/v1/runtime/config")
        assert refused.status_code == 429
        for _ in range(20):
            assert (await mine.get("/v1/runtime/config")).status_code == 200
        # A token of its own that is wrong is answered as such: it is one of who is known here.
        assert (await Bot(here.http, stale).get("/v1/runtime/config")).status_code == 401


async def test_addresses_of_one_ipv6_network_count_as_one(world: World) -> None:
    limits = request_limits(address=4)
    answers = []
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"):
        async with changed(world, limits=limits, address=address) as here:
            answers += [await here.http.get("/v1/bots") for _ in range(3)]
    assert statuses(answers) == [401] * 4 + [429] * 2 + [401] * 3


async def test_a_service_that_names_no_account_is_counted_by_address(world: World) -> None:
    async with limited(world, address=3) as here:
        service = here.user("some-service", scopes="act_as bots:read")
        answers = [await service.get("/v1/bots") for _ in range(5)]
        assert statuses(answers) == [400] * 3 + [429] * 2


async def test_an_account_has_a_limited_number_of_keys_checked(world: World) -> None:
    async with limited(world, key_checks=2) as here:
        alice = here.user("alice")
        variants = ("trade", "readonly", "withdraw")
        answers = [await alice.post("/v1/keys", here.new_key(variant)) for variant in variants]
        assert [answer.status_code == 429 for answer in answers] == [False, False, True]
        assert answers[-1].headers["ratelimit-policy"] == '"key-checks";q=2;w=60'
        assert int(answers[-1].headers["retry-after"]) > 5
        unchecked = await alice.post("/v1/keys", here.unchecked_key())
        assert unchecked.status_code == 201
