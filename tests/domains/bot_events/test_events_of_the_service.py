"""Events of the service about a bot carry the key that the bot had at the time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, update

from app.db.models import Key, Presence
from app.worker.expiry import announce_expiry
from app.worker.presence import announce_offline
from tests.domains.conftest import Asking
from tests.support.positions import trader
from tests.support.variants import changed
from tests.support.world import World

KINDS = {
    "online",
    "offline",
    "credentials_rejected",
    "release_from_new_address",
    "position_unexpected",
    "position_closed_by_hand",
    "key_expires",
}


async def test_every_event_of_the_service_names_exchange_and_contract_type(
    world: World, asking: Asking
) -> None:
    trading = await trader(world)
    bot, sessions = trading.bot, world.context.database.sessions
    await bot.post("/v1/runtime/heartbeat")
    await asking.ask(bot)
    async with sessions.begin() as session:
        ended = func.statement_timestamp() - timedelta(seconds=5)
        await session.execute(update(Presence).values(lease_until=ended))
        await session.execute(update(Key).values(expires_at=ended + timedelta(days=2)))
    await announce_offline(sessions)
    await announce_expiry(sessions)
    async with changed(world, address="203.0.113.7") as elsewhere:
        await asking.ask(replace(bot, http=elsewhere.http))
    look = {"version": 1, "status": "rejected", "reason": "expired"}
    look["checked_at"] = datetime.now(UTC).isoformat()
    await bot.post("/v1/runtime/heartbeat", {"credentials": look})
    async with sessions.begin() as session:
        ended = func.statement_timestamp() - timedelta(seconds=5)
        await session.execute(update(Presence).values(lease_until=ended))
    await bot.post("/v1/runtime/heartbeat")
    await trading.report("open")
    await trading.close_by_hand()

    events = (await trading.user.get("/v1/bot-events?environment=testnet")).json()["items"]

    assert {event["kind"] for event in events} == KINDS
    assert [event["kind"] for event in events].count("offline") == 2
    for event in events:
        assert (event["exchange"], event["contract_type"]) == ("okx", "linear"), event
        assert event["key"]["id"] == trading.key["id"], event
