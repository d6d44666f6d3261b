"""The audit log is complete, written in the transaction it records, and tamper-evident."""

import asyncio
from datetime import UTC, datetime
from itertools import cycle
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text

from app.api.pagination import NumberCursors
from app.auth.caller import Caller
from app.auth.scopes import USER_SCOPES
from app.db.engine import Database
from app.db.models import AuditEvent, AuditHead, Bot
from app.domains.audit import log
from app.domains.audit.chain import verify
from app.domains.audit.entry import Entry
from app.domains.audit.log import AuditHeadMoved, AuditLog, Head
from botkeys.sealing.boxes import SecretBytes
from tests.support.database import WITH_TRIGGERS, Server, execute
from tests.support.split import Split
from tests.support.world import World

ENTRIES = 5


async def broken(split: Split, account_id: UUID, key: SecretBytes | None = None) -> int | None:
    async with split.superuser.sessions() as session:
        return (await verify(session, key or split.api.context.audit, account_id)).broken_at


async def account_with_entries(split: Split, account: str = "alice") -> UUID:
    for number in range(ENTRIES):
        user = split.user(account)
        answer = await user.post("/v1/bots", {"name": f"bot {number}"})
        assert answer.status_code == 201
    claims = await split.api.context.verifier.verify(user.token)
    account_id = split.api.context.verifier.principal(claims, None).account_id
    assert await broken(split, account_id) is None
    return account_id


ALTERED = {
    "id": f"'{UUID(int=7)}'",
    "at": ":later",
    "actor": "'service'",
    "actor_id": "actor_id || ' '",
    "action": "'bot.change'",
    "outcome": "'refused'",
    "code": "'not_found'",
    "target": "NULL",
    "target_id": "NULL",
    "environment": "'live'",
    "address": "NULL",
    "request_id": "''",
    "details": "details || '{\"more\": 1}'",
    "mac": "set_byte(mac, 31, get_byte(mac, 31) # 1)",
    "format": "1",
}


def test_every_column_of_an_entry_is_tried() -> None:
    columns = {column.name for column in AuditEvent.__table__.columns}
    assert columns - set(ALTERED) == {"account_id", "sequence"}


@pytest.mark.parametrize("column", ALTERED)
async def test_an_altered_entry_is_found(split: Split, column: str) -> None:
    account_id = await account_with_entries(split)
    async with split.superuser.sessions() as session:
        # Citus adds nothing to a column's time, as it knows no node's time zone.
        later = await session.scalar(
            text("SELECT at + interval '1 microsecond' FROM audit_events WHERE sequence = 3")
        )
    statement = f"UPDATE audit_events SET {column} = {ALTERED[column]} WHERE sequence = 3"  # noqa: S608  # text of our own
    await split.write(statement, later=later)
    assert await broken(split, account_id) == 3


OTHERS = ", ".join(c.name for c in AuditEvent.__table__.columns if c.name != "account_id")
"""The columns but the account's."""

MOVE = (
    f"INSERT INTO audit_events (account_id, {OTHERS}) SELECT CAST(:alice AS uuid), {OTHERS} "  # noqa: S608  # text of our own
    "FROM audit_events WHERE account_id = :bob"
)

APPEND = (
    "INSERT INTO audit_events SELECT account_id, 6, gen_random_uuid(), at, actor, actor_id, "
    "action, outcome, code, target, target_id, environment, address, request_id, details, {}, "
    "format "
    "FROM audit_events WHERE sequence = 5"
)
CUT = (
    "UPDATE audit_heads AS head SET sequence = 3, mac = kept.mac FROM audit_events AS kept"
    " WHERE kept.account_id = head.account_id AND kept.sequence = 3"
)
MOVED = {
    "an entry removed": (["DELETE FROM audit_events WHERE sequence = 3"], 3),
    "the first removed": (["DELETE FROM audit_events WHERE sequence = 1"], 1),
    "the newest removed": (["DELETE FROM audit_events WHERE sequence = 5"], 5),
    "all but one removed": (["DELETE FROM audit_events WHERE sequence > 1"], 2),
    "all removed": (["DELETE FROM audit_events"], 1),
    "the head removed": (["DELETE FROM audit_heads"], 1),
    "the head moved back": (["UPDATE audit_heads SET sequence = 4"], 5),
    "the head moved on": (["UPDATE audit_heads SET sequence = 6"], 6),
    "a gap closed": (
        [
            "DELETE FROM audit_events WHERE sequence = 3",
            "UPDATE audit_events SET sequence = 3 WHERE sequence = 4",
            "UPDATE audit_events SET sequence = 4 WHERE sequence = 5",
            "UPDATE audit_heads SET sequence = 4",
        ],
        3,
    ),
    "two exchanged": (
        [
            "UPDATE audit_events SET sequence = 9 WHERE sequence = 2",
            "UPDATE audit_events SET sequence = 2 WHERE sequence = 3",
            "UPDATE audit_events SET sequence = 3 WHERE sequence = 9",
        ],
        2,
    ),
    "cut off at an earlier entry": (["DELETE FROM audit_events WHERE sequence > 3", CUT], 4),
    "cut off, and the seal with it": (
        [
            "DELETE FROM audit_events WHERE sequence > 3",
            CUT,
            "UPDATE audit_heads SET seal = NULL, sealed_sequence = NULL",
        ],
        4,
    ),
    "cut off, and the seal ascribed to it": (
        [
            "DELETE FROM audit_events WHERE sequence > 3",
            CUT,
            "UPDATE audit_heads SET sealed_sequence = 3",
        ],
        4,
    ),
    "cut off, and no seal for what comes later": (
        [
            "DELETE FROM audit_events WHERE sequence > 3",
            CUT,
            "UPDATE audit_heads SET seal = NULL, sealed_sequence = 9",
        ],
        4,
    ),
    "an entry appended": ([APPEND.format("mac")], 6),
    "an entry appended and the head with it": (
        [
            APPEND.format("sha256(mac)"),
            "UPDATE audit_heads SET sequence = 6, mac = sha256(mac)",
        ],
        6,
    ),
}


@pytest.mark.parametrize("what", MOVED)
async def test_entries_removed_inserted_or_reordered_are_found(split: Split, what: str) -> None:
    account_id = await account_with_entries(split)
    statements, expected = MOVED[what]
    await split.write(*statements)
    assert await broken(split, account_id) == expected


async def test_no_later_entry_covers_up_that_the_log_was_cut_off(split: Split) -> None:
    """Rule R39."""
    account_id = await account_with_entries(split)
    await split.write("DELETE FROM audit_events WHERE sequence > 3", CUT)
    await split.user("alice").post("/v1/bots", {"name": "later"})
    assert await broken(split, account_id) == 5

    await split.write("UPDATE audit_heads SET seal = NULL, sealed_sequence = NULL")
    await split.user("alice").post("/v1/bots", {"name": "later still"})
    assert await broken(split, account_id) == 6


async def test_another_account_s_entries_do_not_pass_for_one_s_own(split: Split) -> None:
    alice = await account_with_entries(split)
    bob = await account_with_entries(split, "bob")
    async with split.superuser.sessions() as session:
        mac = await session.scalar(select(AuditHead.mac).where(AuditHead.account_id == bob))
    await split.write(
        "DELETE FROM audit_events WHERE account_id = :alice",
        # What tells the node does not change there: a row moves by being stored and deleted.
        MOVE,
        "DELETE FROM audit_events WHERE account_id = :bob",
        "UPDATE audit_heads SET mac = :mac WHERE account_id = :alice",
        alice=alice,
        bob=bob,
        mac=mac,
    )
    assert await broken(split, alice) == 1
    assert await broken(split, bob) == 1


async def test_a_chain_does_not_hold_under_another_key(split: Split) -> None:
    account_id = await account_with_entries(split)
    assert await broken(split, account_id, SecretBytes(bytes(32))) == 1


async def test_50_crossing_writes_and_refusals_keep_the_chain_whole(busy_world: World) -> None:
    user = busy_world.user()
    weak = busy_world.user("alice", " ".join(USER_SCOPES - {"bots:write"}))
    answers = await asyncio.gather(
        *(user.post("/v1/bots", {"name": f"bot {number}"}) for number in range(30)),
        *(user.post("/v1/bots", {"name": ""}) for _ in range(10)),
        *(weak.post("/v1/bots", {"name": "never"}) for _ in range(10)),
    )
    assert sorted({answer.status_code for answer in answers}) == [201, 403, 422]

    # Of refusals that are alike, the first is recorded, and the others together.
    await busy_world.context.refusals.close()
    async with busy_world.context.database.sessions() as session:
        heads = (await session.execute(select(AuditHead.account_id, AuditHead.sequence))).all()
        assert [head.sequence for head in heads] == [34]
        account_id = heads[0].account_id
        assert (await verify(session, busy_world.context.audit, account_id)).broken_at is None
        entries = (
            await session.execute(
                select(
                    AuditEvent.sequence, AuditEvent.request_id, AuditEvent.details["count"]
                ).order_by(AuditEvent.sequence)
            )
        ).all()
    assert [entry.sequence for entry in entries] == list(range(1, 35))
    assert [entry[2] for entry in entries] == [None] * 32 + [9, 9]
    requests = {entry.request_id for entry in entries}
    assert len(requests) == 34
    assert requests < {answer.headers["x-request-id"] for answer in answers}


async def counts(database: Database) -> tuple[int, int]:
    """Return the numbers of entries in the log, and of bots."""
    async with database.sessions() as session:
        entries = await session.scalar(select(func.count()).select_from(AuditEvent))
        bots = await session.scalar(select(func.count()).select_from(Bot))
    return entries or 0, bots or 0


AT_COMMIT = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not now'; END $$"""


def superuser_url(world: World, server: Server) -> str:
    name = world.context.database.engine.url.database
    assert name is not None
    return server.url(name, superuser=True)


async def test_a_change_that_is_rolled_back_leaves_no_entry(
    busy_world: World, server: Server
) -> None:
    """The commit itself fails, after bot and entry have been written."""
    await execute(
        superuser_url(busy_world, server),
        WITH_TRIGGERS,
        AT_COMMIT,
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON bots DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    answer = await busy_world.user().post("/v1/bots", {"name": "never"})
    assert answer.status_code == 500
    assert await counts(busy_world.context.database) == (0, 0)


async def test_a_change_that_cannot_be_recorded_is_not_made(
    busy_world: World, server: Server
) -> None:
    """Rule R30."""
    await execute(
        superuser_url(busy_world, server),
        "ALTER TABLE audit_events ADD CONSTRAINT full_up CHECK (false) NOT VALID",
    )
    answer = await busy_world.user().post("/v1/bots", {"name": "never"})
    assert answer.status_code == 500
    assert await counts(busy_world.context.database) == (0, 0)


async def test_a_release_that_cannot_be_recorded_is_not_made(
    busy_world: World, server: Server
) -> None:
    """Rule R31."""
    bot, _, _ = await busy_world.user().ready_bot()
    await execute(
        superuser_url(busy_world, server),
        "ALTER TABLE audit_events ADD CONSTRAINT full_up CHECK (false) NOT VALID",
    )
    public_key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
    answer = await bot.post(
        "/v1/runtime/credentials", {"suite": "x25519", "public_key": public_key}
    )
    # A coordinator of Citus does not pass on the code with which a node refused the entry.
    assert answer.status_code == (500 if server.cluster is None else 503)
    assert "sealed_data_key" not in answer.text
    async with busy_world.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM releases")) == 0


async def test_an_account_sees_its_own_log_alone_page_by_page(world: World) -> None:
    bob, alice = world.user("bob"), world.user("alice")
    for number in range(7):
        await bob.post("/v1/bots", {"name": f"of bob {number}"})
        await alice.post("/v1/bots", {"name": f"of alice {number}"})
    seen, cursor = [], ""
    while cursor is not None:
        page = (await alice.get(f"/v1/audit-events?limit=3{cursor}")).json()
        seen += page["items"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert [entry["sequence"] for entry in seen] == list(range(7, 0, -1))
    assert {entry["actor_id"] for entry in seen} == {"alice"}
    assert all(entry["details"]["name"].startswith("of alice") for entry in seen)


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**63 - 1])
async def test_a_made_up_cursor_reaches_no_other_account(world: World, number: int) -> None:
    await world.user("bob").post("/v1/bots", {"name": "of bob"})
    cursor = NumberCursors("audit-events").following(number)
    page = await world.user().get(f"/v1/audit-events?cursor={cursor}")
    assert page.json() == {"items": [], "next_cursor": None}


async def test_a_reader_without_the_scope_sees_nothing(world: World) -> None:
    user = world.user("alice", " ".join(USER_SCOPES - {"audit:read"}))
    assert (await user.get("/v1/audit-events")).status_code == 403
    assert (await user.get(f"/v1/audit-events?cursor={uuid4()}")).status_code == 403


async def test_writers_at_once_number_their_entries_without_gap_across_months(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule R39. Each partition alone knows which numbers it has, so the head must hold them."""
    dates = cycle([datetime.now(UTC), datetime(2099, 1, 1, tzinfo=UTC)])

    def dated(**columns: object) -> Entry:
        return Entry(**{**columns, "at": next(dates)})  # type: ignore[arg-type]

    monkeypatch.setattr(log, "Entry", dated)
    user = split.user("alice")
    answers = await asyncio.gather(
        *(user.post("/v1/bots", {"name": f"bot {number}"}) for number in range(40))
    )
    assert {answer.status_code for answer in answers} == {201}
    async with split.superuser.sessions() as session:
        query = text("SELECT sequence, tableoid FROM audit_events ORDER BY sequence")
        entries = (await session.execute(query)).all()
    assert [entry.sequence for entry in entries] == list(range(1, 41))
    assert len({entry.tableoid for entry in entries}) == 2


async def test_an_entry_after_a_head_that_moved_is_not_committed(split: Split) -> None:
    """Rule R39. Even a caller without the lock cannot give a number twice."""
    account_id = await account_with_entries(split)
    context = split.api.context
    claims = await context.verifier.verify(split.user("alice").token)
    caller = Caller(context.verifier.principal(claims, None), "", "")
    assert caller.account_id == account_id
    for sequence in (ENTRIES - 1, ENTRIES + 1):
        transaction = context.database.transactions()
        stale = Head(sequence, b"", None, None, datetime(2099, 1, 1, tzinfo=UTC))
        with pytest.raises(AuditHeadMoved):
            await AuditLog(transaction, context.audit, caller).record("bot.add", stale)
        await transaction.rollback()
    assert await broken(split, account_id) is None
