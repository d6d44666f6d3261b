"""Refusals that are alike add few entries to the audit log, however many they are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from app.auth.caller import Caller
from app.auth.principal import UserPrincipal, account_id
from app.auth.scopes import USER_SCOPES
from app.context import Context
from app.db.engine import Database
from app.db.models import AuditEvent
from app.domains.audit.chain import verify
from app.domains.audit.refusals import ADDRESSES, LONGEST_SECONDS, Refusal, RefusalLog
from app.process.startup import open_context
from app.settings import Role, Settings
from tests.support.world import World

ALICE = account_id("issuer", "alice")


def caller(number: int = 0, subject: str = "alice") -> Caller:
    user = UserPrincipal(
        account_id=ALICE,
        issuer="issuer",
        subject=subject,
        scopes=USER_SCOPES,
        token_id=None,
        issued_at=None,
        actor="user",
        acting_service=None,
    )
    return Caller(user, f"192.0.2.{number}", str(UUID(int=number)))


def refusal(of: Caller, action: str = "bot.add", code: str = "not_found") -> Refusal:
    return Refusal(of.account_id, of.kind, of.name, action, code, ())


async def entries(database: Database, account: UUID = ALICE) -> list[Any]:
    async with database.sessions() as session:
        query = (
            select(AuditEvent.action, AuditEvent.code, AuditEvent.request_id, AuditEvent.details)
            .where(AuditEvent.account_id == account)
            .order_by(AuditEvent.sequence)
        )
        return list((await session.execute(query)).all())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Ledger:
    """A log with a clock of its own, on a database that is rolled back."""

    def __init__(self, context: Context, database: Database, most: int = 100) -> None:
        self.clock = Clock()
        self.database = database
        self.log = RefusalLog(database.sessions, context.audit, most=most, clock=self.clock)

    def refused(self, times: int, of: Caller | None = None, **what: str) -> int:
        """Refuse a caller; return how often that was to be recorded at once."""
        who = of or caller()
        return sum(self.log.admit(refusal(who, **what), who) for _ in range(times))

    async def after(self, seconds: float) -> list[int]:
        """Let time pass; return the counts of the entries that this added."""
        if self.log._timer is not None:
            self.log._timer.cancel()  # it is set by the real clock
        before = len(await entries(self.database))
        self.clock.now += seconds
        await self.log.record_due()
        return [entry.details["count"] for entry in (await entries(self.database))[before:]]


@pytest_asyncio.fixture
async def ledger(shared_context: Context, database: Database) -> AsyncIterator[Ledger]:
    made = Ledger(shared_context, database)
    yield made
    await made.log.close()


async def test_a_hundred_refusals_are_two_entries_of_one_chain(world: World) -> None:
    """Rule R30."""
    user = world.user()
    for _ in range(100):
        assert (await user.delete("/v1/bots/01938a5e-0000-7000-8000-000000000000")).is_error
    shown = (await user.get("/v1/audit-events")).json()["items"]
    assert [(entry["outcome"], entry["details"]) for entry in shown] == [("refused", {})]

    await world.context.refusals.close()
    newest, first = (await user.get("/v1/audit-events")).json()["items"]
    assert newest["details"].pop("first_at") < newest["details"].pop("last_at") < newest["at"]
    assert newest["details"] == {"count": 99, "addresses": ["127.0.0.1"]}
    same = ("actor", "actor_id", "action", "outcome", "code", "target", "address")
    assert [newest[name] for name in same] == [first[name] for name in same]
    claims = await world.context.verifier.verify(user.token)
    account = world.context.verifier.principal(claims, None).account_id
    async with world.context.database.sessions() as session:
        chain = await verify(session, world.context.audit, account)
    assert (chain.broken_at, chain.sequence, chain.sealed) == (None, 2, True)


async def test_many_at_once_are_recorded_once(busy_world: World) -> None:
    user = busy_world.user()
    answers = await asyncio.gather(*(user.post("/v1/bots", {"name": ""}) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {422}
    items = (await user.get("/v1/audit-events")).json()["items"]
    assert [entry["details"] for entry in items] == [{}]


async def test_callers_actions_and_codes_are_counted_apart(ledger: Ledger) -> None:
    assert ledger.refused(3) == 1
    assert ledger.refused(3, of=caller(subject="bob")) == 1
    assert ledger.refused(3, action="bot.delete") == 1
    assert ledger.refused(3, code="missing_scope") == 1
    assert await ledger.after(60) == [2, 2, 2, 2]


async def test_the_window_doubles_while_refusals_go_on_and_ends_when_they_do(
    ledger: Ledger,
) -> None:
    assert ledger.refused(10) == 1
    assert await ledger.after(59) == []
    for seconds in (1, 120, 240, 480, LONGEST_SECONDS, LONGEST_SECONDS):
        assert ledger.refused(10) == 0
        assert await ledger.after(seconds - 0.5) in ([], [19])
        assert await ledger.after(0.5) in ([10], [19], [])
    assert await ledger.after(LONGEST_SECONDS) == []
    assert ledger.refused(2) == 1


async def test_an_entry_names_the_newest_request_and_a_few_addresses(ledger: Ledger) -> None:
    for number in range(30):
        ledger.refused(1, of=caller(number))
    assert await ledger.after(60) == [29]
    (entry,) = await entries(ledger.database)
    assert entry.request_id == str(UUID(int=29))
    assert len(entry.details["addresses"]) == ADDRESSES


async def test_memory_is_bounded_and_what_makes_room_is_recorded(ledger: Ledger) -> None:
    ledger.log._most = 5
    for number in range(11):
        assert ledger.refused(1 + number, action=f"action.{number:02}") == 1
        ledger.clock.now += 0.001
    assert len(ledger.log._windows) == 5
    assert await ledger.after(60) == list(range(1, 11))


async def test_what_the_database_did_not_take_is_recorded_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.refused(5)

    def lost() -> None:
        raise OSError

    with monkeypatch.context() as outage:
        outage.setattr(ledger.log, "_sessions", type("Lost", (), {"begin": staticmethod(lost)}))
        assert await ledger.after(60) == []
    ledger.refused(5)
    assert await ledger.after(4) == []
    assert await ledger.after(1) == [9]


async def test_a_refusal_that_could_not_be_recorded_does_not_hide_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    record = "app.domains.audit.log.AuditLog.record"
    with monkeypatch.context() as outage:

        async def lost(*_: object, **__: object) -> None:
            raise httpx.ReadError("the connection is gone")

        outage.setattr(record, lost)
        assert (await user.post("/v1/bots", {"name": ""})).status_code == 500
    await user.post("/v1/bots", {"name": ""})
    items = (await user.get("/v1/audit-events")).json()["items"]
    assert [entry["outcome"] for entry in items] == ["refused"]


async def test_a_process_records_what_it_counted_when_it_ends(
    settings: Settings, shared_context: Context, database: Database
) -> None:
    async with open_context(settings, Role.ALL, database=database, hosts={}) as context:
        for _ in range(3):
            context.refusals.admit(refusal(caller()), caller())
    (entry,) = await entries(database)
    assert entry.details["count"] == 2


async def test_an_entry_is_written_by_the_clock_alone(
    shared_context: Context, copied_database: Database
) -> None:
    log = RefusalLog(copied_database.sessions, shared_context.audit, first_seconds=0.02)
    assert [log.admit(refusal(caller()), caller()) for _ in range(3)] == [True, False, False]
    async with asyncio.timeout(60):
        while not await entries(copied_database):  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.01)
    await log.close()
    assert [entry.details["count"] for entry in await entries(copied_database)] == [2]


async def test_who_may_do_nothing_at_all_adds_nothing(world: World) -> None:
    for scopes in ("", "act_as"):
        headers = {"X-Account-Id": "alice"} if scopes else {}
        user = world.user("alice", scopes)
        answer = await user.post("/v1/bots", {"name": "never"}, headers=headers)
        assert answer.json()["code"] == "missing_scope"
    await world.context.refusals.close()
    assert (await world.user().get("/v1/audit-events")).json()["items"] == []
