"""Key pairs made here: the user registers the public half, and brings the API key alone."""

import asyncio
import logging
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import text

from app.domains.keys import pair_generation
from app.domains.keys.pair_generation import Pair, PairGenerator
from app.simulator import KeyText, Permission, SimulatedKey
from botkeys.client import BotClient
from botkeys.client.health import CredentialHealth, exchange_check
from botkeys.exchanges.model import ContractType, PairAlgorithm
from botkeys.exchanges.pem import private_key
from botkeys.exchanges.registry import EXCHANGES
from botkeys.transport.client import ASGITransport, HttpTransport
from tests.support.dump import dump
from tests.support.variants import changed
from tests.support.world import Bot, Json, User, World

OFFERED = [
    (exchange, algorithm)
    for exchange, profile in EXCHANGES.items()
    for algorithm in profile.key_pairs
]
KINDS = {"ed25519": Ed25519PublicKey, "rsa": RSAPublicKey}


def wanted(exchange: str = "deribit", algorithm: str = "ed25519", **changes: Any) -> Json:
    return {
        "label": f"{exchange} pair",
        "exchange": exchange,
        "environment": "live",
        "contract_type": "linear",
        "algorithm": algorithm,
        **changes,
    }


async def made(user: User, *args: Any, **changes: Any) -> Json:
    answer = await user.post("/v1/keys/pairs", wanted(*args, **changes))
    assert answer.status_code == 201, answer.text
    document: Json = answer.json()
    return document


async def complete(user: User, pair: Json, api_key: str) -> httpx.Response:
    path = f"/v1/keys/{pair['key']['id']}/credentials"
    return await user.put(path, {"api_key": api_key})


def register(world: World, pair: Json, api_key: str) -> None:
    """Register the public key at the exchange, as its user would."""
    key = pair["key"]
    rights = frozenset({Permission.READ, Permission.TRADE})
    world.simulator.keys.add(
        SimulatedKey(
            key["exchange"],
            key["environment"],
            KeyText(api_key, ""),
            "112233445566",
            rights,
            public_key=pair["public_key"],
        )
    )


def client(world: World, bot: Bot) -> BotClient:
    return BotClient(
        "http://botkeys.test",
        bot.token,
        transport=HttpTransport(transport=ASGITransport(world.app)),
        allow_insecure_http=True,
    )


async def with_bot(user: User, key_id: str) -> Bot:
    bot = await user.add_bot()
    answer = await user.assign(bot["id"], key_id)
    assert answer.status_code == 200, answer.text
    return await user.mint(bot["id"])


@pytest.mark.parametrize(("exchange", "algorithm"), OFFERED)
async def test_a_pair_s_public_half_comes_back_with_where_to_paste_it(
    world: World, exchange: str, algorithm: str
) -> None:
    """Rule R61."""
    user = world.user()

    answer = await user.post("/v1/keys/pairs", wanted(exchange, algorithm))

    pair = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/keys/{pair['key']['id']}"
    public = load_pem_public_key(pair["public_key"].encode())
    assert isinstance(public, KINDS[algorithm])
    assert not isinstance(public, RSAPublicKey) or public.key_size == 2048
    assert pair["key"]["public_key"] == pair["public_key"]
    assert (pair["key"]["awaiting_api_key"], pair["key"]["masked_key"]) == (True, "…")
    assert pair["instructions"].startswith("Open ")
    assert f"PUT /v1/keys/{pair['key']['id']}/credentials" in pair["instructions"]
    assert pair["portal_url"].startswith("https://")
    offers = (await user.get("/v1/exchanges")).json()["items"]
    offered = {item["exchange"]: item["key_pairs"] for item in offers}
    assert algorithm in offered[exchange]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exchange": "okx"}, "key_pair_not_offered"),
        ({"exchange": "bybit"}, "key_pair_not_offered"),
        ({"exchange": "gemini", "contract_type": "inverse"}, "contract_type_not_offered"),
        ({"exchange": "binance", "region": "eea"}, "region_not_offered"),
        ({"algorithm": "ecdsa"}, "invalid_request"),
        ({"api_key": "k"}, "invalid_request"),
    ],
)
async def test_a_pair_that_no_exchange_takes_is_not_made(
    world: World, changes: dict[str, Any], code: str
) -> None:
    answer = await world.user().post("/v1/keys/pairs", wanted(**changes))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if code == "key_pair_not_offered":
        assert answer.json()["algorithms"] == (["rsa"] if changes["exchange"] == "bybit" else [])


async def test_nothing_uses_a_pair_before_its_api_key_is_known(world: World) -> None:
    """Rule R61."""
    user = world.user()
    pair = await made(user)
    key_id = pair["key"]["id"]
    bot = await user.add_bot()

    assigned = await user.assign(bot["id"], key_id)
    replaced = await user.put(
        f"/v1/keys/{key_id}/credentials",
        {"api_key": "k", "api_secret": "s", "confirm_same_account": True},
    )
    renamed = await user.patch(f"/v1/keys/{key_id}", {"label": "Other"})

    for answer in (assigned, replaced):
        assert (answer.status_code, answer.json()["code"]) == (409, "key_incomplete")
    assert (renamed.status_code, renamed.json()["awaiting_api_key"]) == (200, True)


@pytest.mark.parametrize(("exchange", "algorithm"), OFFERED)
async def test_a_completed_pair_signs_for_its_bot(
    world: World, exchange: str, algorithm: str
) -> None:
    """Rule R61: the bot gets both parts, and they are the halves of one pair."""
    user = world.user()
    pair = await made(user, exchange, algorithm)
    register(world, pair, "AbCdEfGhIjKl")

    completed = await complete(user, pair, "AbCdEfGhIjKl")

    key = completed.json()
    assert completed.status_code == 200
    assert (key["awaiting_api_key"], key["version"], key["masked_key"]) == (False, 1, "Ab…Kl")
    assert (key["verification"]["status"], key["public_key"]) == ("skipped", pair["public_key"])
    bot = await with_bot(user, key["id"])
    async with client(world, bot) as running:
        held = await running.credentials()
        assert held.api_key.reveal() == "AbCdEfGhIjKl"
        private = private_key(held.api_secret.reveal())
    public = load_pem_public_key(pair["public_key"].encode())
    assert private.public_key() == public


async def test_a_bot_that_is_blocked_gets_its_pair_and_unblocks_it_by_its_own_check(
    world: World,
) -> None:
    """Rules R38, R61: nobody but the bot can sign, so nobody else can look."""
    user = world.user()
    pair = await made(user)
    register(world, pair, "ClientId")
    await complete(user, pair, "ClientId")
    bot = await with_bot(user, pair["key"]["id"])

    before = (await bot.get("/v1/runtime/config")).json()
    async with client(world, bot) as running, HttpTransport() as http:
        held, config = await running.credentials(), await running.config()
        look = exchange_check(lambda: http)
        report = await look(held, ContractType.LINEAR, config.endpoints or held.endpoints)
        health = CredentialHealth(
            held.key_id, held.version, datetime.now(UTC), permissions=report.permissions
        )
        await running.heartbeat(health)
    after = (await bot.get("/v1/runtime/config")).json()
    key = (await user.get(f"/v1/keys/{pair['key']['id']}")).json()

    assert "unverified" in before["blocked_by"]
    assert "unverified" not in after["blocked_by"]
    assert key["verification"]["status"] == "verified"
    assert (key["permissions"]["trade"], key["permissions"]["withdraw"]) == ("yes", "no")


async def test_an_api_key_alone_belongs_to_a_pair_that_awaits_it(world: World) -> None:
    user = world.user()
    pair = await made(user)
    ordinary = await user.add_key("trade")
    assert (await complete(user, pair, "first")).status_code == 200

    for key in (pair["key"], ordinary):
        answer = await user.put(f"/v1/keys/{key['id']}/credentials", {"api_key": "second"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"][0]["loc"] == ["body", "api_secret"]


@pytest.mark.parametrize("api_key", ["with space", "line\nbreak", "-----BEGIN PUBLIC KEY-----"])
async def test_an_api_key_that_cannot_be_one_is_refused(world: World, api_key: str) -> None:
    """Rule R4."""
    user = world.user()
    answer = await complete(user, await made(user), api_key)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_credentials")


async def test_an_api_key_is_held_once_and_the_second_is_refused(world: World) -> None:
    """Rule R5."""
    user = world.user()
    first, second = await made(user), await made(user)
    assert (await complete(user, first, "ClientId")).status_code == 200

    again = await complete(user, second, "ClientId")
    whole = await user.post(
        "/v1/keys",
        {
            **{name: first["key"][name] for name in ("exchange", "environment", "contract_type")},
            "label": "typed",
            "api_key": "ClientId",
            "api_secret": "s",
            "verify": False,
        },
    )

    for answer in (again, whole):
        assert (answer.status_code, answer.json()["code"]) == (409, "key_already_added")
        assert answer.json()["key_id"] == first["key"]["id"]
    assert (await user.get(f"/v1/keys/{second['key']['id']}")).json()["awaiting_api_key"]


async def test_replacing_a_pair_leaves_nothing_of_it(world: World) -> None:
    user = world.user()
    pair = await made(user)
    await complete(user, pair, "ClientId")
    new = {"api_key": "other", "api_secret": "typed", "verify": False, "confirm_same_account": True}

    answer = await user.put(f"/v1/keys/{pair['key']['id']}/credentials", new)

    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert answer.json()["public_key"] is None
    async with world.context.database.sessions() as session:
        versions = await session.scalars(text("SELECT version FROM key_credentials"))
    assert list(versions) == [2]
    bot = await with_bot(user, pair["key"]["id"])
    async with client(world, bot) as running:
        assert (await running.credentials()).api_secret.reveal() == "typed"


async def test_an_abandoned_pair_is_deleted_like_any_key(world: World) -> None:
    user = world.user()
    pair = await made(user)
    answer = await user.delete(f"/v1/keys/{pair['key']['id']}")
    assert (answer.status_code, answer.json()["deleted"]["keys"]) == (200, 1)
    assert (await complete(user, pair, "late")).status_code == 404
    whole = await made(user)
    await complete(user, whole, "ClientId")
    receipt = (await user.delete(f"/v1/keys/{whole['key']['id']}")).json()
    assert receipt["deleted"]["credentials"] == 1
    async with world.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM key_credentials")) == 0


async def test_of_many_completions_at_once_one_counts(busy_world: World) -> None:
    """Rule R61."""
    user = busy_world.user()
    pair = await made(user)

    answers = await asyncio.gather(*(complete(user, pair, f"key{n}") for n in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, *[422] * 5]
    (taken,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert taken["masked_key"] == (await user.get(f"/v1/keys/{taken['id']}")).json()["masked_key"]
    async with busy_world.context.database.sessions() as session:
        versions = await session.scalars(text("SELECT version FROM key_credentials"))
    assert sorted(versions) == [-1, 1]


async def test_completion_and_deletion_at_once_end_with_all_or_nothing(
    busy_world: World,
) -> None:
    user = busy_world.user()
    for number in range(4):
        pair = await made(user)
        path = f"/v1/keys/{pair['key']['id']}"
        completed, deleted = await asyncio.gather(
            complete(user, pair, f"key{number}"), user.delete(path)
        )
        assert completed.status_code in {200, 404}
        assert deleted.status_code == 200
        assert (await user.get(path)).status_code == 404
    async with busy_world.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM key_credentials")) == 0


async def test_no_private_half_stands_anywhere(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule R61: not in answers, stored answers, the audit log, the database, or the log."""
    halves: list[str] = []
    generate = pair_generation._generate

    def watched(algorithm: PairAlgorithm) -> pair_generation.Pair:
        pair = generate(algorithm)
        halves.append(pair.private_half.reveal())
        return pair

    monkeypatch.setattr(pair_generation, "_generate", watched)
    caplog.set_level(logging.DEBUG)
    user = world.user()
    seen = []
    for exchange, algorithm in OFFERED:
        once = {"Idempotency-Key": f"{exchange}-{algorithm}"}
        answer = await user.post("/v1/keys/pairs", wanted(exchange, algorithm), headers=once)
        again = await user.post("/v1/keys/pairs", wanted(exchange, algorithm), headers=once)
        assert again.json() == answer.json()
        seen += [answer.text, again.text, repr(answer.headers)]
        completed = await complete(user, answer.json(), f"planted-{exchange}-{algorithm}")
        seen.append(completed.text)
    seen.append((await user.get("/v1/audit-events")).text)
    seen.append(caplog.text)
    seen.append(repr(await dump(world.context.database)))

    assert len(halves) == len(OFFERED)
    everything = "\n".join(seen)
    assert "BEGIN PUBLIC KEY" in everything
    assert "PRIVATE" not in everything
    for half in halves:
        body = "".join(line for line in half.splitlines() if not line.startswith("-----"))
        pieces = [body[at : at + 24] for at in range(0, len(body) - 24, 24)]
        # The first bytes of a PEM say what kind of key it is; the same stand in all of them.
        assert not [piece for piece in pieces[2:] or [body[-24:]] if piece in everything]
    for exchange, algorithm in OFFERED:
        stored = everything.count(f"planted-{exchange}-{algorithm}")
        assert stored == 0


class Noted(PairGenerator):
    """Notes the pairs in the order in which its thread makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[PairAlgorithm] = []

    async def generate(self, algorithm: PairAlgorithm) -> Pair:
        self.order.append(algorithm)
        return await super().generate(algorithm)

    async def reach(self, count: int) -> None:
        """Wait until so many pairs are in the thread's line or made."""
        async with asyncio.timeout(60):
            while len(self.order) < count:  # noqa: ASYNC110  # no event there
                await asyncio.sleep(0.005)


async def test_one_account_does_not_take_the_whole_line_of_pairs(busy_world: World) -> None:
    """Rules R36, R61: another waits for one pair of it at most, however many it asked for."""
    pairs, go = Noted(), threading.Event()
    pairs._thread.submit(go.wait, 60)
    async with changed(busy_world, pairs=pairs) as world:
        alice, bob = world.user(), world.user("bob")
        many = [asyncio.create_task(made(alice, "binance", "rsa")) for _ in range(3)]
        await pairs.reach(1)
        lines = pairs._places._lines
        while sum(line.present for line in lines.values()) < 3:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.005)
        other = asyncio.create_task(made(bob, "deribit", "ed25519"))
        await pairs.reach(2)
        go.set()
        await asyncio.gather(*many, other)
    pairs.close()
    assert pairs.order == ["rsa", "ed25519", "rsa", "rsa"]


async def test_the_loop_goes_on_while_pairs_are_made(busy_world: World) -> None:
    """Rule R61."""
    alice = busy_world.user()
    pauses = [0.0]

    async def tick() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            pauses.append(loop.time() - before)

    ticking = asyncio.create_task(tick())
    many = await asyncio.gather(*(made(alice, "binance", "rsa") for _ in range(3)))
    ticking.cancel()

    assert UUID(many[0]["key"]["id"])
    # One pair alone may take a second; a busy machine makes single pauses, not most of them.
    assert sorted(pauses)[len(pauses) * 95 // 100] < 0.1
