"""GET /v1/audit-events with filters."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.principal import account_id
from app.db.models import AuditEvent, AuditHead
from app.domains.audit.deps import MOST_TYPES
from app.domains.audit.repository import AuditFilter, AuditRepository, filtered
from tests.support.routes import one_time_key
from tests.support.world import Json, User, World

SECOND = timedelta(seconds=1)


async def found(user: User, **filters: str) -> list[Json]:
    """Return all entries that the filters let through, read page by page."""
    entries: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await user.get(f"/v1/audit-events?{urlencode({**filters, **cursor, 'limit': 2})}")
        assert answer.status_code == 200, answer.text
        entries += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return entries
        cursor = {"cursor": answer.json()["next_cursor"]}


def actions(entries: Sequence[Json]) -> list[str]:
    return [entry["action"] for entry in entries]


async def story(world: World) -> tuple[User, Json, Json, Json]:
    """Let two keys be swapped at a bot, and the second be released; a third is not concerned."""
    user = world.user()
    bot, assigned, first = await user.ready_bot()
    second = await user.add_key("trade_2")
    await user.patch(f"/v1/keys/{first['id']}", {"label": "Former"})
    await user.assign(assigned["id"], second["id"])
    assert (await bot.post("/v1/runtime/credentials", one_time_key())).status_code == 200
    await user.post("/v1/freezes", {"scope": "key", "key_id": first["id"]})
    await user.patch("/v1/account", {"timezone": "Europe/Prague"})
    return user, assigned, first, second


async def test_entries_are_found_by_type_key_bot_and_actor(world: World) -> None:
    user, bot, first, second = await story(world)
    everything = await found(user)

    assert actions(await found(user, type="key.change")) == ["key.change"]
    several = await found(user, type="key.release,key.add,nothing.known")
    assert actions(several) == ["key.release", "key.add", "key.add"]
    assert actions(await found(user, key_id=first["id"])) == [
        "freeze.add",
        "bot.assign_key",  # away from it
        "key.change",
        "bot.assign_key",
        "key.add",
    ]
    assert actions(await found(user, key_id=second["id"])) == [
        "key.release",
        "bot.assign_key",
        "key.add",
    ]
    assert actions(await found(user, bot_id=bot["id"])) == [
        "key.release",
        "bot.assign_key",
        "bot.mint_token",
        "bot.assign_key",
        "bot.add",
    ]
    assert actions(await found(user, actor=bot["id"])) == ["key.release"]
    assert await found(user, actor="alice") == [
        entry for entry in everything if entry["actor"] == "user"
    ]
    assert await found(user, actor="nobody") == []
    assert await found(user, bot_id=str(uuid4())) == []


async def test_filters_narrow_together(world: World) -> None:
    user, bot, first, second = await story(world)

    both = await found(user, key_id=second["id"], bot_id=bot["id"])
    assert actions(both) == ["key.release", "bot.assign_key"]
    assert actions(await found(user, key_id=first["id"], type="key.add,key.change")) == [
        "key.change",
        "key.add",
    ]
    assert actions(await found(user, bot_id=bot["id"], actor=bot["id"])) == ["key.release"]
    assert actions(await found(user, actor="alice", type="key.release,bot.add")) == ["bot.add"]
    assert (
        await found(user, key_id=second["id"], bot_id=bot["id"], actor="alice", type="key.release")
        == []
    )


async def test_a_period_begins_with_from_and_ends_before_to(world: World) -> None:
    user, _, first, _ = await story(world)
    everything = await found(user)
    middle = everything[3]["at"]

    assert await found(user, **{"from": middle}) == everything[:4]
    assert await found(user, to=middle) == everything[4:]
    assert await found(user, **{"from": middle, "to": everything[1]["at"]}) == everything[2:4]
    of_key = await found(user, key_id=first["id"])
    assert await found(user, key_id=first["id"], to=of_key[1]["at"]) == of_key[2:]
    reversed_ = await user.get(
        f"/v1/audit-events?{urlencode({'from': middle, 'to': '2001-01-01T00:00:00Z'})}"
    )
    assert reversed_.status_code == 422


async def test_entries_of_what_was_deleted_are_found(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.delete(f"/v1/keys/{key['id']}")

    assert actions(await found(user, key_id=key["id"])) == ["key.delete", "key.add"]


async def test_another_account_finds_nothing_of_it(world: World) -> None:
    """Rule R28."""
    _, bot, first, _ = await story(world)
    other = world.user("bob")
    await other.add_bot()

    assert await found(other, key_id=first["id"]) == []
    assert await found(other, bot_id=bot["id"]) == []
    assert await found(other, actor="alice") == []
    assert actions(await found(other, type="bot.add,key.add")) == ["bot.add"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", ""),
        ("type", "key"),
        ("type", "key.add,"),
        ("type", "key.add key.delete"),
        ("type", "Key.add"),
        ("type", ",".join(["key.add"] * (MOST_TYPES + 1))),
        ("key_id", "x"),
        ("bot_id", "x"),
        ("actor", ""),
        ("actor", "a" * 256),
        ("actor", "a\u202eb"),
        ("actor", "nul\x00"),
        ("from", "yesterday"),
        ("action", "key.add"),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(
    world: World, name: str, value: str
) -> None:
    answer = await world.user().get(f"/v1/audit-events?{urlencode({name: value})}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


ACCOUNT = account_id("issuer", "of many entries")
BUSY, RARE, BOT = UUID(int=2), UUID(int=3), UUID(int=4)
BEGIN = datetime.now(UTC) - timedelta(days=1)


def _entry(number: int) -> dict[str, Any]:
    by_user = number % 500 == 0
    return {
        "account_id": ACCOUNT,
        "sequence": number,
        "id": uuid4(),
        "at": BEGIN + number * SECOND,
        "actor": "user" if by_user else "bot",
        "actor_id": "alice" if by_user else str(BOT),
        "action": "key.change" if by_user else "key.release",
        "outcome": "allowed",
        "target": "key",
        "target_id": str(RARE if number == 7 else BUSY),
        "request_id": "r",
        "details": {"key_id": str(RARE)} if number == 9 else {"version": 1},
        "mac": b"",
    }


CASES = {
    "a rare type": (AuditFilter(actions=("bot.add",)), 0),
    "several types": (AuditFilter(actions=("key.change", "bot.add", "key.delete")), 19),
    "a common type": (AuditFilter(actions=("key.release",)), 51),
    "a rare key": (AuditFilter(key_id=RARE), 2),
    "a busy key": (AuditFilter(key_id=BUSY), 51),
    "a bot": (AuditFilter(bot_id=BOT), 51),
    "a bot without entries": (AuditFilter(bot_id=UUID(int=9)), 0),
    "a key without entries": (AuditFilter(key_id=UUID(int=9)), 0),
    "an actor without entries": (AuditFilter(actor_id="nobody"), 0),
    "an actor": (AuditFilter(actor_id="alice"), 19),
    "the beginning": (AuditFilter(until=BEGIN + 20 * SECOND), 19),
    "a type at the beginning": (
        AuditFilter(actions=("key.release",), until=BEGIN + 20 * SECOND),
        19,
    ),
    "a key at the beginning": (AuditFilter(key_id=BUSY, until=BEGIN + 20 * SECOND), 18),
}


@pytest.mark.one_server("What a statement reads on another node is not in its plan or counters.")
async def test_a_page_is_read_from_an_index_and_no_further_than_it_is_long(world: World) -> None:
    """Among many entries no filter reads more than its page: rows that are read and left out, and
    rows that are sorted, are few.
    """
    entries = 10_000
    async with world.context.database.sessions() as session:
        await session.execute(insert(AuditHead).values(account_id=ACCOUNT, sequence=0, mac=b""))
        await session.execute(insert(AuditEvent), [_entry(number) for number in range(1, entries)])
        await session.execute(text("ANALYZE audit_events"))
        repository = AuditRepository(session=session, account_id=ACCOUNT)
        for name, (wanted, expected) in CASES.items():
            rows = await repository.filtered_page(wanted, None, 51)
            assert len(rows) == expected, name
            assert rows == sorted(rows, key=lambda row: (row.at, row.sequence), reverse=True)
            query = filtered(AuditEvent.account_id == ACCOUNT, wanted, None, 51)
            for mode in ("force_custom_plan", "force_generic_plan"):
                plan = await _plan(session, mode, query)
                touched = sum(_touched(plan))
                assert touched < 4 * 51, (name, mode, touched, plan)


async def _plan(session: AsyncSession, mode: str, query: Any) -> Json:
    """Return the plan of a statement that is prepared, as the service sends it."""
    compiled = query.compile(dialect=asyncpg.dialect())  # type: ignore[no-untyped-call]
    values = [compiled.params[name] for name in compiled.positiontup]
    spelled = ", ".join(str(v) if isinstance(v, int) else f"'{v}'" for v in values)
    for statement in (f"SET LOCAL plan_cache_mode = {mode}", f"PREPARE asked AS {compiled}"):
        await session.execute(text(statement.replace(":", "\\:")))
    executed = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({spelled})".replace(":", "\\:")
    (plan,) = await session.scalar(text(executed))
    await session.execute(text("DEALLOCATE asked"))
    found: Json = plan["Plan"]
    return found


def _touched(node: Json) -> list[int]:
    """Return how many rows each scan below a node of a plan returned or left out."""
    own = 0
    if "Relation Name" in node:
        each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        own = int(each * node["Actual Loops"])
    return [own, *(count for below in node.get("Plans", ()) for count in _touched(below))]
