"""Webhooks through the API: what may be one, its secrets, and what is queued for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.custody.webhook_keys import WebhookKeys
from app.db.base import first_id, new_id
from app.domains.webhooks import service as rules
from app.domains.webhooks.addresses import LONGEST
from app.worker.housekeeping import sweep
from app.worker.purging import purge_deleted
from botkeys.sealing.boxes import SecretBytes
from tests.support.dump import dump
from tests.support.leaks import all_logged, leaks
from tests.support.variants import changed
from tests.support.world import Json, User, World

URL = "https://hooks.slack.com/services/T0/B0/planted-token"
MEMBERS = {
    *("id", "url", "types", "format", "active", "public_key", "former_secret_until"),
    *("failing_since", "disabled", "created_at", "updated_at"),
}


async def added(user: User, **members: Any) -> Json:
    answer = await user.post("/v1/webhooks", {"url": URL, **members})
    assert answer.status_code == 201, answer.text
    document: Json = answer.json()
    return document


async def write(world: World, statement: str, **values: Any) -> Any:
    async with world.context.database.sessions.begin() as session:
        return await session.execute(text(statement), values)


async def rows(world: World, statement: str) -> list[Any]:
    async with world.context.database.sessions() as session:
        return list(await session.execute(text(statement)))


def fault(answer: httpx.Response) -> str:
    """Return the sentence of the one fault, which never repeats what was sent."""
    assert answer.status_code == 422, answer.text
    (found,) = answer.json()["errors"]
    return str(found["msg"])


@asynccontextmanager
async def with_key(world: World, webhooks: WebhookKeys | None) -> AsyncIterator[World]:
    """Yield the same service with another key of webhooks, or with none."""
    assert world.context.api is not None
    async with changed(world, api=replace(world.context.api, webhooks=webhooks)) as other:
        yield other


async def test_a_webhook_is_added_changed_and_deleted(world: World) -> None:
    user = world.user()
    answer = await user.post("/v1/webhooks", {"url": URL})
    document = answer.json()
    path = answer.headers["location"]
    assert answer.headers["cache-control"] == "no-store"
    assert document.keys() == {*MEMBERS, "secret"}
    expected = {"url": URL, "types": [], "format": "standard", "active": True, "disabled": None}
    assert document.items() >= expected.items()

    read = await user.get(path)
    del document["secret"]
    assert (read.json(), read.headers["etag"]) == (document, '"1"')
    assert (await user.get("/v1/webhooks")).json()["items"] == [document]

    wanted = {"types": ["bot.offline", "bot.offline"], "format": "ntfy"}
    stale = await user.patch(path, wanted, headers={"If-Match": '"7"'})
    assert stale.json()["code"] == "precondition_failed"
    changed_ = await user.patch(path, wanted, headers={"If-Match": '"1"'})
    assert (changed_.status_code, changed_.headers["etag"]) == (200, '"2"')
    assert changed_.json().items() >= {"types": ["bot.offline"], "format": "ntfy"}.items()
    again = await user.patch(path, wanted)
    assert again.headers["etag"] == '"2"'
    moved = await user.patch(path, {"url": "https://example.com/x"})
    assert moved.json()["url"] == "https://example.com/x"

    assert (await world.user("mallory").get(path)).status_code == 404
    assert (await user.delete(path)).status_code == 204
    assert (await user.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("https:///path", "https://"),
        ("https://example.com:0/", "https://"),
        ("https://example.com:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://user@example.com/", "user"),
        ("https://:word@example.com/", "user"),
        ("https://example.com/#part", "fragment"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/a b", "ASCII"),
        ("https://example.com\\@10.0.0.1/", "ASCII"),
        ("https://example.com/" + "a" * LONGEST, "at most"),
        ("https://127.0.0.1/", "not of the public Internet"),
        ("https://10.1.2.3:8443/", "not of the public Internet"),
        ("https://169.254.169.254/latest/", "not of the public Internet"),
        ("https://100.64.0.1/", "not of the public Internet"),
        ("https://[::1]/", "not of the public Internet"),
        ("https://[::ffff:10.0.0.1]/", "not of the public Internet"),
        ("https://[fe80::1%25eth0]/", "not of the public Internet"),
        ("https://[v1.x]/", "in its brackets"),
        ("https://example.com/#", "fragment"),
        ("https://2130706433/", "unusual spelling"),
        ("https://0x7f.1/", "unusual spelling"),
        ("https://localhost/", "local network"),
        ("https://metadata.google.internal/", "local network"),
    ],
)
async def test_an_address_that_nobody_may_name_is_refused_at_once(
    world: World, url: str, says: str
) -> None:
    """Rule R86."""
    user = world.user()
    refused = await user.post("/v1/webhooks", {"url": url})
    assert says in fault(refused)
    assert "planted" not in refused.text
    assert url not in refused.text
    webhook = await added(user)
    assert says in fault(await user.patch(f"/v1/webhooks/{webhook['id']}", {"url": url}))


async def test_the_operator_permits_addresses_of_its_own_network(world: World) -> None:
    allowed = ("hooks.internal", "10.0.0.0/8")
    async with changed(world, settings={"webhook_allow": allowed}) as permitting:
        user = permitting.user()
        for url in ("http://hooks.internal:8080/x", "https://10.1.2.3/", "http://10.1.2.3/"):
            assert (await added(user, url=url))["url"] == url
        assert "local network" in fault(
            await user.post("/v1/webhooks", {"url": "http://localhost/"})
        )


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ("key.addedd", "Did you mean `key.added`?"),
        ("KeyAdded", "Did you mean `key.added`?"),
        ("webhook.test", "Did you mean"),
        ("xyzzy", "docs/events.md"),
    ],
)
async def test_an_unknown_type_is_answered_with_the_nearest(
    world: World, sent: str, says: str
) -> None:
    answer = await world.user().post("/v1/webhooks", {"url": URL, "types": [sent]})
    assert says in fault(answer)


async def test_a_lost_answer_can_be_had_again_and_is_not_stored_in_clear(world: World) -> None:
    """Rule R85."""
    user, once = world.user(), {"Idempotency-Key": "once"}
    first = await user.post("/v1/webhooks", {"url": URL}, headers=once)
    second = await user.post("/v1/webhooks", {"url": URL}, headers=once)
    assert first.content == second.content
    assert second.headers["cache-control"] == "no-store"
    path = first.headers["location"]
    rotations = [
        await user.post(f"{path}/rotate-secret", headers={"Idempotency-Key": "rotate"})
        for _ in range(2)
    ]
    assert rotations[0].content == rotations[1].content
    assert rotations[1].headers["idempotency-replayed"] == "true"
    (record,) = await rows(
        world, "SELECT body FROM idempotency_records WHERE action = 'webhook.rotate_secret'"
    )
    assert record.body
    with pytest.raises(ValueError, match=r"JSON|utf|char"):
        json.loads(record.body)


async def test_the_former_secret_signs_for_a_day_unless_it_is_ended(world: World) -> None:
    """Rule R85."""
    user = world.user()
    webhook = await added(user)
    path = f"/v1/webhooks/{webhook['id']}/rotate-secret"
    rotated = (await user.post(path)).json()
    assert rotated["secret"] != webhook["secret"]
    assert rotated["public_key"] != webhook["public_key"]
    until = datetime.fromisoformat(rotated["former_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= rules.OVERLAP
    ended = (await user.post(path, {"end_former": True}, headers={"If-Match": '"2"'})).json()
    assert ended["former_secret_until"] is None
    assert len({webhook["secret"], rotated["secret"], ended["secret"]}) == 3
    shown = (await user.get(f"/v1/webhooks/{webhook['id']}")).json()
    assert shown["public_key"] == ended["public_key"]
    assert "secret" not in shown
    assert (await user.post(path, headers={"If-Match": '"1"'})).status_code == 412


async def test_what_is_secret_of_a_webhook_stands_nowhere(world: World) -> None:
    """Rule R84."""
    user, planted = (
        world.user(),
        "https://example.com/hook/PLANTED-IN-THE-PATH?token=PLANTED-IN-QUERY",
    )
    with all_logged() as logs:
        answers = [
            await user.post("/v1/webhooks", {"url": planted}, headers={"Idempotency-Key": "once"})
        ]
        path = answers[0].headers["location"]
        answers += [
            await user.post(f"{path}/rotate-secret", headers={"Idempotency-Key": "two"}),
            await user.patch(path, {"url": f"{planted}2"}, headers={"Idempotency-Key": "three"}),
            await user.post(f"{path}/test"),
            await user.patch(path, {"url": f"http://{planted}"}),
            await user.post("/v1/webhooks", {"url": planted, "secret": planted}),
            await user.delete(path),
        ]
        secrets = [answer.json()["secret"] for answer in answers[:2]]
        metrics = (await world.http.get("/metrics")).text
        tables = {
            name: "\n".join(found) for name, found in (await dump(world.context.database)).items()
        }
        refusals = "".join(answer.text for answer in answers[4:])
        places = {**tables, "metrics": metrics, "refusals": refusals, **logs.places()}
    words = ["PLANTED-IN-THE-PATH", "PLANTED-IN-QUERY", *secrets]
    assert leaks(places, [*words, *(secret.removeprefix("whsec_") for secret in secrets)]) == []
    log = (await user.get("/v1/audit-events")).json()["items"]
    assert {entry["action"] for entry in log} >= {
        *("webhook.add", "webhook.rotate_secret", "webhook.change", "webhook.test"),
        "webhook.delete",
    }
    assert {entry["details"].get("host") for entry in log} >= {"example.com"}


async def test_without_its_key_file_the_service_has_everything_but_webhooks(world: World) -> None:
    async with with_key(world, None) as upgraded:
        user = upgraded.user()
        for answer in (
            await user.get("/v1/webhooks"),
            await user.post("/v1/webhooks", {"url": URL}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "webhooks_unavailable")
            assert "--only webhook-key" in answer.json()["detail"]
        assert (await user.get("/v1/events")).status_code == 200


async def test_a_webhook_of_a_lost_key_is_shown_and_can_be_repaired_or_deleted(
    world: World,
) -> None:
    kept, gone = await added(world.user()), await added(world.user())
    async with with_key(world, WebhookKeys(SecretBytes(bytes(32)))) as restored:
        user = restored.user()
        assert {item["url"] for item in (await user.get("/v1/webhooks")).json()["items"]} == {None}
        path = f"/v1/webhooks/{kept['id']}"
        assert (await user.patch(path, {"url": URL})).json()["url"] == URL
        assert (await user.delete(f"/v1/webhooks/{gone['id']}")).status_code == 204


async def test_deactivating_cancels_what_waits_and_activating_begins_from_now(
    world: World,
) -> None:
    """Rule R87."""
    user = world.user()
    webhook = await added(user)
    path = f"/v1/webhooks/{webhook['id']}"
    queued = (await user.post(f"{path}/test")).json()
    await user.patch(path, {"active": False})
    (cancelled,) = (await user.get(f"{path}/deliveries")).json()["items"]
    assert (cancelled["id"], cancelled["status"]) == (queued["id"], "cancelled")
    assert cancelled["finished_at"] is not None
    await write(
        world,
        "UPDATE webhooks SET disabled_at = now(), disabled_reason = 'failing',"
        " failing_since = now()",
    )
    shown = (await user.get(path)).json()
    assert shown["disabled"]["reason"] == "failing"
    await user.add_bot()
    active = (await user.patch(path, {"active": True})).json()
    assert (active["disabled"], active["failing_since"]) == (None, None)
    ((sequence, newest),) = await rows(
        world, "SELECT w.sequence, h.sequence FROM webhooks w JOIN event_heads h USING (account_id)"
    )
    assert sequence == newest > 0


async def test_a_test_and_a_replay_are_deliveries_of_their_own(world: World) -> None:
    """Rule R87."""
    user = world.user()
    webhook = await added(user)
    await user.add_bot()
    path = f"/v1/webhooks/{webhook['id']}"
    test = await user.post(f"{path}/test")
    assert test.status_code == 202
    document = test.json()
    assert document.items() >= {"type": "webhook.test", "status": "pending", "attempts": 0}.items()
    assert document["event_number"] is None
    again = (await user.post(f"{path}/deliveries/{document['id']}/replay")).json()
    assert (again["type"], again["replay_of"]) == ("webhook.test", document["id"])

    delivered = UUID(int=7)
    await write(
        world,
        "INSERT INTO webhook_deliveries (account_id, id, webhook_id, event_number, type, status,"
        " finished_at) SELECT account_id, CAST(:id AS uuid), id, 1, 'bot.added', 'delivered', now()"
        " FROM webhooks",
        id=delivered,
    )
    replay = f"{path}/deliveries/{delivered}/replay"
    copy = (await user.post(replay)).json()
    assert copy.items() >= {"event_number": 1, "replay_of": str(delivered)}.items()
    listed = (await user.get(f"{path}/deliveries?status=delivered")).json()["items"]
    assert [item["id"] for item in listed] == [str(delivered)]
    other = await added(user)
    assert (await user.post(replay.replace(webhook["id"], other["id"]))).status_code == 404
    await user.patch(path, {"active": False})
    assert (await user.post(replay)).json()["code"] == "webhook_inactive"
    await user.patch(path, {"active": True})
    await write(world, "UPDATE webhook_deliveries SET event_number = 999 WHERE event_number = 1")
    gone = await user.post(replay)
    assert (gone.status_code, gone.json()["code"]) == (410, "event_expired")


async def test_tests_and_replays_have_a_share(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ASKED_FOR_PER_HOUR", 2)
    user = world.user()
    path = f"/v1/webhooks/{(await added(user))['id']}/test"
    answers = [await user.post(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    # The first of the two goes out of the hour first; the answer says when, as for any limit.
    assert 3_500 < int(answers[-1].headers["retry-after"]) <= 3_600
    assert answers[-1].headers["ratelimit-policy"] == '"webhook";q=2;w=3600'
    await write(world, "UPDATE webhook_deliveries SET created_at = now() - interval '61 minutes'")
    assert (await user.post(path)).status_code == 202


def test_ids_are_in_the_order_of_the_times_at_which_they_are_made() -> None:
    now, second = datetime.now(UTC), timedelta(seconds=1)
    assert first_id(now - second) < new_id() < first_id(now + second)


async def test_deliveries_are_forgotten_with_time_and_webhooks_with_their_account(
    world: World,
) -> None:
    user = world.user()
    webhook = await added(user)
    await write(
        world,
        "INSERT INTO webhook_deliveries (account_id, id, webhook_id, event_number, type, status,"
        " finished_at, created_at) SELECT account_id, gen_random_uuid(), id, number, 'bot.added',"
        " status, now(), now() - days * interval '1 day' FROM webhooks,"
        " (VALUES (1, 'delivered', 2), (2, 'delivered', 4), (3, 'failed', 29), (4, 'failed', 31))"
        " given (number, status, days)",
    )
    await sweep(world.context.database.sessions)
    left = (await user.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"]
    assert {item["event_number"] for item in left} == {1, 3}
    assert (await user.delete("/v1/account")).status_code == 202
    assert (
        await rows(world, "SELECT id FROM webhooks UNION ALL SELECT id FROM webhook_deliveries")
        == []
    )
    await purge_deleted(world.context.database.sessions)
