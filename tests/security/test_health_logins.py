"""Presence, health and expiry with exactly the database rights that each process has."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.db.models import BotEvent
from app.worker.expiry import announce_expiry
from app.worker.presence import announce_offline
from tests.support.split import Split


async def test_a_bot_reports_and_the_worker_tells_each_with_its_own_login(split: Split) -> None:
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    look = {
        "version": 1,
        "status": "rejected",
        "reason": "expired",
        "permissions": {"read": "yes"},
        "expires_at": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
        "checked_at": datetime.now(UTC).isoformat(),
    }

    answer = await bot.post("/v1/runtime/heartbeat", {"credentials": look})

    assert answer.status_code == 200, answer.text
    shown = (await split.user("alice").get(f"/v1/keys/{key['id']}")).json()
    assert shown["verification"]["status"] == "rejected"
    await split.write("UPDATE presence SET lease_until = now() - interval '1 minute'")
    sessions = split.databases["purge"].sessions
    assert await announce_offline(sessions) == 1
    assert await announce_expiry(sessions) == 1
    async with split.superuser.sessions() as session:
        kinds = set(await session.scalars(select(BotEvent.kind)))
    assert kinds >= {"online", "offline", "credentials_rejected", "key_expires"}
