"""Events on their way to webhooks, as a worker sends them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import select, text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.context import Context
from app.db.engine import Database
from app.db.models import WebhookDelivery
from app.domains.webhooks import outbox
from app.domains.webhooks.schedule import PAUSES
from app.domains.webhooks.sender import Sender
from app.process.outbound import outbound_of
from app.simulator import Simulator
from app.worker.delivering import CLAIM, Deliverer, DeliveryMetrics, FanOut
from app.worker.delivery_slots import DeliveryLimits
from tests.conftest import open_world
from tests.support.receiver import Arrived, Receiver, hang, receiver, status
from tests.support.world import Json, User, World


@pytest_asyncio.fixture
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


@pytest_asyncio.fixture
async def busy_world(
    shared_context: Context, simulator: Simulator, healthy: None, copied_database: Database
) -> AsyncIterator[World]:
    """Provide the service with an operator who permits webhooks to loopback."""
    settings = shared_context.settings.model_copy(update={"webhook_allow": ("127.0.0.1",)})
    context = replace(shared_context, settings=settings)
    async with open_world(context, copied_database, simulator, background=True) as opened:
        yield opened


class Worker:
    """A worker that sends, and takes its turns when it is asked to."""

    def __init__(self, world: World, **members: Any) -> None:
        context = world.context
        assert context.api is not None
        assert context.api.webhooks is not None
        allowed = context.settings.webhook_exceptions
        sender = Sender(
            outbound_of(context.settings).tls, allowed, seconds=members.pop("seconds", 15)
        )
        self.sessions = context.database.sessions
        self.metrics = DeliveryMetrics()
        self.fan_out = FanOut(self.sessions).turn
        members.setdefault("turn_seconds", 0.05)
        self.deliverer = Deliverer(
            self.sessions, context.api.webhooks, sender, allowed, self.metrics, **members
        )

    async def turn(self) -> int:
        await self.fan_out()
        begun = await self.deliverer.turn()
        await self.deliverer.idle()
        return begun


@asynccontextmanager
async def working(world: World, **members: Any) -> AsyncIterator[Worker]:
    worker = Worker(world, **members)
    try:
        yield worker
    finally:
        await worker.deliverer.close()


async def added(user: User, hooks: Receiver, path: str = "/hook", **members: Any) -> Json:
    members = {"url": f"http://127.0.0.1:{hooks.port}{path}", **members}
    answer = await user.post("/v1/webhooks", members)
    assert answer.status_code == 201, answer.text
    document: Json = answer.json()
    return document


async def deliveries(user: User, hook: Json) -> list[Json]:
    """Return the webhook's deliveries, the oldest first."""
    answer = await user.get(f"/v1/webhooks/{hook['id']}/deliveries")
    return list(reversed(answer.json()["items"]))


async def shown(user: User, hook: Json) -> Json:
    document: Json = (await user.get(f"/v1/webhooks/{hook['id']}")).json()
    return document


async def happen(user: User, name: str = "Grid") -> Json:
    """Let an event happen; return the bot that was added."""
    answer = await user.post("/v1/bots", {"name": name})
    assert answer.status_code == 201, answer.text
    document: Json = answer.json()
    return document


async def write(world: World, statement: str, **values: Any) -> None:
    async with world.context.database.sessions.begin() as session:
        await session.execute(text(statement), values)


async def pass_time(world: World) -> None:
    """Let every pause be over."""
    await write(
        world,
        "UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 second' "
        "WHERE status = 'pending'",
    )


def verify_ed25519(public_key: str, arrived: Arrived) -> None:
    """Verify the signatures `v1a`; raise InvalidSignature unless one is the key's."""
    raw = base64.b64decode(public_key.removeprefix("whpk_"))
    headers = arrived.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + arrived.body
    for one in headers["webhook-signature"].split(" "):
        version, _, signature = one.partition(",")
        if version == "v1a":
            try:
                Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature), content)
            except InvalidSignature:
                continue
            return
    raise InvalidSignature


async def test_an_event_arrives_signed_once_with_what_the_list_shows(
    busy_world: World, hooks: Receiver
) -> None:
    """R85, R87, R97."""
    user = busy_world.user("alice")
    await happen(user, "before")
    hook = await added(user, hooks)
    bot = await happen(user)
    async with working(busy_world) as worker:
        assert await worker.turn() == 1
        assert await worker.turn() == 0
    (arrived,) = hooks.arrived
    body = Webhook(hook["secret"]).verify(arrived.body, arrived.headers)
    verify_ed25519(hook["public_key"], arrived)
    listed = (await user.get("/v1/events")).json()["items"][0]
    assert body == {"type": "bot.added", "timestamp": listed["at"], "data": listed}
    assert body["data"]["bot_id"] == bot["id"]
    (delivery,) = await deliveries(user, hook)
    assert delivery["id"] == arrived.headers["webhook-id"]
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert (delivery["response_status"], delivery["error"]) == (200, None)
    assert delivery["next_attempt_at"] is None
    assert delivery["last_attempt_at"] <= delivery["finished_at"]
    with pytest.raises(WebhookVerificationError):
        Webhook(hook["secret"]).verify(arrived.body + b" ", arrived.headers)


async def test_both_secrets_sign_after_a_rotation_until_the_former_one_ends(
    busy_world: World, hooks: Receiver
) -> None:
    """R85."""
    user = busy_world.user("alice")
    former = await added(user, hooks)
    rotated = (await user.post(f"/v1/webhooks/{former['id']}/rotate-secret")).json()
    async with working(busy_world) as worker:
        await happen(user)
        await worker.turn()
        ended = {"end_former": True}
        newest = (await user.post(f"/v1/webhooks/{former['id']}/rotate-secret", ended)).json()
        await happen(user)
        await worker.turn()
    both, alone = hooks.arrived
    for hook in (former, rotated):
        Webhook(hook["secret"]).verify(both.body, both.headers)
        verify_ed25519(hook["public_key"], both)
        with pytest.raises(WebhookVerificationError):
            Webhook(hook["secret"]).verify(alone.body, alone.headers)
        with pytest.raises(InvalidSignature):
            verify_ed25519(hook["public_key"], alone)
    Webhook(newest["secret"]).verify(alone.body, alone.headers)
    assert len(both.headers["webhook-signature"].split(" ")) == 4
    assert len(alone.headers["webhook-signature"].split(" ")) == 2


async def test_types_and_accounts_are_kept_apart(busy_world: World, hooks: Receiver) -> None:
    alice, bob = busy_world.user("alice"), busy_world.user("bob")
    await added(alice, hooks, "/deleted", types=["bot.deleted"])
    await added(alice, hooks, "/all")
    await added(alice, hooks, "/off", active=False)
    await added(bob, hooks, "/bob")
    bot = await happen(alice)
    assert (await alice.delete(f"/v1/bots/{bot['id']}")).status_code == 204
    async with working(busy_world) as worker:
        await worker.turn()
        await worker.turn()
    found = sorted((one.path, json.loads(one.body)["type"]) for one in hooks.arrived)
    assert found == [
        ("/all", "bot.added"),
        ("/all", "bot.deleted"),
        ("/deleted", "bot.deleted"),
    ]


async def test_what_fails_is_sent_again_with_the_same_id_until_it_has_failed_ten_times(
    busy_world: World, hooks: Receiver
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    hooks.answers["/hook"] = status(500)
    await happen(user)
    async with working(busy_world) as worker:
        for attempt in range(1, len(PAUSES) + 2):
            assert await worker.turn() == 1
            assert await worker.turn() == 0  # not before its time
            (delivery,) = await deliveries(user, hook)
            assert delivery["attempts"] == attempt
            assert (delivery["response_status"], delivery["error"]) == (500, "unexpected_status")
            await pass_time(busy_world)
        assert delivery["status"] == "failed"
        assert await worker.turn() == 0
    assert len({one.headers["webhook-id"] for one in hooks.arrived}) == 1
    assert (await shown(user, hook))["failing_since"] is not None


async def test_a_success_ends_a_failure(busy_world: World, hooks: Receiver) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    hooks.answers["/hook"] = status(503, "Retry-After: 3600")
    await happen(user)
    async with working(busy_world) as worker:
        await worker.turn()
        assert (await shown(user, hook))["failing_since"] is not None
        (delivery,) = await deliveries(user, hook)
        hooks.answers.clear()
        await pass_time(busy_world)
        await worker.turn()
    assert delivery["next_attempt_at"] > delivery["last_attempt_at"]
    assert (await shown(user, hook))["failing_since"] is None
    (delivery,) = await deliveries(user, hook)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


@pytest.mark.parametrize("reason", ["gone", "failing"])
async def test_a_webhook_is_disabled_with_an_event_and_what_waits_is_cancelled(
    busy_world: World, hooks: Receiver, reason: str
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    await added(user, hooks, "/other", types=["webhook.disabled"])
    hooks.answers["/hook"] = status(410 if reason == "gone" else 500)
    await happen(user)
    await happen(user, "another")
    async with working(busy_world) as worker:
        if reason == "failing":
            days = "UPDATE webhooks SET failing_since = now() - interval '{} hours'"
            await write(busy_world, days.format(119))
            await worker.turn()
            assert (await shown(user, hook))["active"] is True
            await write(busy_world, days.format(121))
            await pass_time(busy_world)
        await worker.turn()
        now = await shown(user, hook)
        assert (now["active"], now["disabled"]["reason"]) == (False, reason)
        assert {one["status"] for one in await deliveries(user, hook)} <= {"failed", "cancelled"}
        await worker.turn()
    event = json.loads(hooks.arrived[-1].body)
    assert hooks.arrived[-1].path == "/other"
    assert event["type"] == "webhook.disabled"
    assert event["data"]["data"] == {
        "webhook_id": hook["id"],
        "host": "127.0.0.1",
        "reason": reason,
    }
    again = await user.patch(f"/v1/webhooks/{hook['id']}", {"active": True})
    assert again.json()["disabled"] is None


async def test_a_test_is_sent_once_also_to_a_webhook_that_is_not_active(
    busy_world: World, hooks: Receiver
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks, active=False)
    async with working(busy_world) as worker:
        for code in (200, 500):
            hooks.answers["/hook"] = status(code)
            assert (await user.post(f"/v1/webhooks/{hook['id']}/test")).status_code == 202
            await worker.turn()
            await pass_time(busy_world)
        assert await worker.turn() == 0
    first, second = await deliveries(user, hook)
    assert (first["status"], second["status"]) == ("delivered", "failed")
    assert (await shown(user, hook))["failing_since"] is None
    assert json.loads(hooks.arrived[0].body)["data"] == {"webhook_id": hook["id"]}


async def test_a_replay_is_a_message_of_its_own_with_the_same_event(
    busy_world: World, hooks: Receiver
) -> None:
    """R87."""
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    await happen(user)
    async with working(busy_world) as worker:
        await worker.turn()
        (delivery,) = await deliveries(user, hook)
        path = f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}/replay"
        assert (await user.post(path)).status_code == 202
        await worker.turn()
    first, second = (one for one in hooks.arrived)
    assert first.body == second.body
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


async def test_what_is_deleted_or_stopped_meanwhile_is_not_sent(
    busy_world: World, hooks: Receiver
) -> None:
    alice, bob = busy_world.user("alice"), busy_world.user("bob")
    stopped, deleted = await added(alice, hooks, "/a"), await added(bob, hooks, "/b")
    await happen(alice)
    await happen(bob)
    async with working(busy_world) as worker:
        await worker.fan_out()
        await alice.patch(f"/v1/webhooks/{stopped['id']}", {"active": False})
        answer = await bob.post("/v1/data-deletions", {"scope": "all"})
        assert answer.status_code == 202
        await worker.deliverer.turn()
        await worker.deliverer.idle()
    (one,) = await deliveries(alice, stopped)
    other = (await deliveries(bob, deleted))[0]
    assert (one["status"], other["status"]) == ("cancelled", "cancelled")
    assert not [one for one in hooks.arrived if b"bot.added" in one.body]


async def test_several_workers_share_and_send_each_event_once(
    busy_world: World, hooks: Receiver
) -> None:
    user = busy_world.user("alice")
    all_ = [await added(user, hooks, f"/{number}") for number in range(5)]
    for number in range(8):
        await happen(user, f"bot {number}")
    async with working(busy_world) as one, working(busy_world) as two, working(busy_world) as three:
        workers = (one, two, three)
        async with asyncio.timeout(60):
            while len(hooks.arrived) < 40:
                await asyncio.gather(*(worker.turn() for worker in workers))
        assert sum(await asyncio.gather(*(worker.turn() for worker in workers))) == 0
    found = [(one.path, json.loads(one.body)["data"]["id"]) for one in hooks.arrived]
    assert len(found) == len(set(found)) == 40
    for hook in all_:
        assert {one["status"] for one in await deliveries(user, hook)} == {"delivered"}


async def test_what_a_dead_worker_had_claimed_is_sent_by_another(
    busy_world: World, hooks: Receiver
) -> None:
    """R97."""
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    hooks.answers["/hook"] = hang
    await happen(user)
    dead, other = Worker(busy_world), Worker(busy_world)
    await dead.fan_out()
    assert await dead.deliverer.turn() == 1
    for task in dead.deliverer._running:
        task.cancel()  # as a kill does: nothing is recorded and nothing given back
    await asyncio.wait(dead.deliverer._running)
    hooks.answers.clear()
    assert await other.turn() == 0
    (delivery,) = await deliveries(user, hook)
    assert delivery["status"] == "pending"
    async with busy_world.context.database.sessions() as session:
        until = await session.scalar(select(WebhookDelivery.next_attempt_at))
    assert until is not None
    past = until - CLAIM - timedelta(seconds=1)
    await write(busy_world, "UPDATE webhook_deliveries SET next_attempt_at = :past", past=past)
    assert await other.turn() == 1
    (delivery,) = await deliveries(user, hook)
    assert delivery["status"] == "delivered"
    assert len({one.headers["webhook-id"] for one in hooks.arrived}) == 1


async def test_a_worker_that_stops_gives_back_what_it_had_not_sent(
    busy_world: World, hooks: Receiver
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    hooks.answers["/hook"] = hang
    await happen(user)
    async with working(busy_world, grace=0.05) as stopping:
        await stopping.fan_out()
        await stopping.deliverer.turn()
    (delivery,) = await deliveries(user, hook)
    assert (delivery["status"], delivery["attempts"]) == ("pending", 0)
    hooks.answers.clear()
    async with working(busy_world) as next_:
        assert await next_.turn() == 1


async def test_receivers_that_hang_do_not_hold_up_the_others(
    busy_world: World, hooks: Receiver
) -> None:
    """R98; a short form of `tests/worker/test_delivering_at_scale.py`."""
    user = busy_world.user("alice")
    hanging = [await added(user, hooks, f"/hang/{number}") for number in range(6)]
    for number in range(6):
        hooks.answers[f"/hang/{number}"] = hang
    await added(user, hooks, "/healthy")
    for number in range(10):
        await happen(user, f"bot {number}")
    limits = DeliveryLimits(total=8, of_account=8, of_webhook=4)
    async with working(busy_world, limits=limits, grace=0.05, turn_seconds=5) as worker:
        await worker.fan_out()
        turning = asyncio.create_task(worker.deliverer.turn())
        async with asyncio.timeout(15):
            while len([one for one in hooks.arrived if one.path == "/healthy"]) < 10:
                hooks.news.clear()
                await hooks.news.wait()
        assert len(hooks.arrived) == 10 + len(hanging)  # one attempt at each that hangs
        turning.cancel()
        await asyncio.wait([turning])


async def test_an_attempt_that_ends_while_what_is_due_is_read_makes_room_at_once(
    busy_world: World, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    for number in range(2):
        await happen(user, f"bot {number}")
    async with working(busy_world, turn_seconds=20) as worker:
        await worker.fan_out()
        read = outbox.due

        async def due(*arguments: Any, **members: Any) -> Any:
            rows = await read(*arguments, **members)
            if members["busy"]:  # the second one waits for the first one, which ends only now
                await worker.deliverer.idle()
            return rows

        monkeypatch.setattr(outbox, "due", due)
        async with asyncio.timeout(10):
            await worker.deliverer.turn()
    assert [one["status"] for one in await deliveries(user, hook)] == ["delivered"] * 2


async def test_an_outage_of_the_database_costs_no_delivery(
    busy_world: World, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = busy_world.user("alice")
    hook = await added(user, hooks)
    await happen(user)
    async with working(busy_world) as worker:
        await worker.fan_out()
        sessions, away = worker.sessions, 2

        class Failing:
            def __call__(self) -> Any:
                return sessions()

            def begin(self) -> Any:
                nonlocal away
                if hooks.arrived and away:
                    away -= 1
                    raise ConnectionError("away")
                return sessions.begin()

        worker.deliverer._sessions = Failing()  # type: ignore[assignment]
        monkeypatch.setattr("app.worker.delivering._RETRY_SECONDS", 0.01)
        await worker.deliverer.turn()
        await worker.deliverer.idle()
    assert away == 0
    (delivery,) = await deliveries(user, hook)
    assert (delivery["status"], len(hooks.arrived)) == ("delivered", 1)


async def test_attempts_are_counted_by_outcome_and_logs_name_hosts_alone(
    busy_world: World, hooks: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    user = busy_world.user("alice")
    await added(user, hooks, "/planted-path?token=planted-query")
    hooks.answers["/planted-path"] = status(404)
    await happen(user)
    async with working(busy_world) as worker:
        await worker.turn()
    registry = CollectorRegistry()
    worker.metrics.register(registry)
    exposed = generate_latest(registry).decode()
    assert 'botkeys_webhook_attempts_total{outcome="unexpected_status"} 1.0' in exposed
    logged = "".join(capfd.readouterr())
    assert "webhook_attempt" in logged
    assert "planted" not in logged
    assert hooks.arrived[0].path == "/planted-path?token=planted-query"
