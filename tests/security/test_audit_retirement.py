"""Old audit entries can be retired, by someone with the audit key alone, and verifiably."""

import asyncio
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, text

from app.commands import audit_months, retire_audit
from app.commands.retire_audit import retire
from app.db.engine import Database, open_database
from app.db.models import AuditEvent, AuditStart
from app.domains.audit import log
from app.domains.audit.entry import Entry
from app.settings import SettingsError
from tests.security.test_audit_anchors import Former, account, checked
from tests.support.split import Split, production

CUT = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW = CUT - timedelta(days=1), CUT + timedelta(days=1)

Dated = Callable[[datetime], None]

MAKE_MONTH = (
    "CREATE TABLE audit_months.month_{name} PARTITION OF audit_events"
    " (PRIMARY KEY (account_id, sequence)) FOR VALUES FROM ('{low}') TO ('{high}')"
)
HELD_BY = (
    "SELECT DISTINCT regexp_replace(tableoid::regclass::text, '_[0-9]{6,}$', '') FROM audit_events"
)
"""The partitions with entries, without the number of a shard of Citus."""


async def add_month(split: Split, first: datetime) -> None:
    """Let there be a partition for this past month, as if the service had run then."""
    high = (first + timedelta(days=31)).replace(day=1)
    found = text("SELECT to_regclass(:name) IS NOT NULL")
    async with split.superuser.sessions() as session:
        if await session.scalar(found, {"name": f"audit_months.month_{first:%Y_%m}"}):
            return
    values = {"name": f"{first:%Y_%m}", "low": first.isoformat(), "high": high.isoformat()}
    await split.define(MAKE_MONTH.format(**values))


async def partitions(split: Split) -> set[str]:
    """Return the names of the partitions that have entries."""
    async with split.superuser.sessions() as session:
        return set(await session.scalars(text(HELD_BY)))


@pytest.fixture(params=["by months", "by entries"])
async def by_months(request: pytest.FixtureRequest, split: Split) -> bool:
    """Tell whether the months that a test writes in have partitions."""
    months = [CUT - timedelta(days=31), CUT, CUT + timedelta(days=30)]
    await split.define(
        *(f"DROP TABLE IF EXISTS audit_months.month_{month:%Y_%m}" for month in months)
    )
    if request.param == "by months":
        for month in months:
            await add_month(split, month)
    return bool(request.param == "by months")


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch) -> Dated:
    """Let entries have been written at another time."""

    def date(at: datetime) -> None:
        def entry(**columns: object) -> Entry:
            return Entry(**{**columns, "at": at})  # type: ignore[arg-type]

        monkeypatch.setattr(log, "Entry", entry)

    return date


async def retired(split: Split, before: datetime = CUT) -> tuple[bool, str]:
    url = split.superuser.engine.url.set(drivername="postgresql")
    settings = production(split.keys.path, url.render_as_string(hide_password=False))
    lines: list[str] = []
    done = await retire(settings, lines.append, before)
    return done, "\n".join(lines)


async def numbers(split: Split, account_id: UUID) -> list[int]:
    async with split.superuser.sessions() as session:
        query = select(AuditEvent.sequence).where(AuditEvent.account_id == account_id)
        return sorted(await session.scalars(query))


async def test_the_chains_hold_without_their_old_entries_and_say_who_retired_them(
    split: Split, dated: Dated, tmp_path: Path, by_months: bool
) -> None:
    """Rule R39."""
    file = tmp_path / "heads.json"
    dated(OLD)
    alice = await account(split, "alice", 3)
    bob = await account(split, "bob", 2)
    assert (await checked(split, write=file))[0]
    dated(NEW)
    await account(split, "alice", 2)
    carol = await account(split, "carol", 1)

    done, output = await retired(split)
    assert done
    assert "5 entries of 2 accounts from before 2026-06-01 were retired by " in output
    assert ("Months dropped: month_2026_05." in output) == by_months
    assert [await numbers(split, who) for who in (alice, bob, carol)] == [[4, 5], [], [1]]
    whole, output = await checked(split, against=file)
    assert whole, output
    assert "2 chains begin later: entries before 2026-06-01 were retired on 20" in output
    assert "3 chains checked: all are intact." in output

    await account(split, "bob", 1)
    dated(NEW + timedelta(days=30))
    await account(split, "alice", 1)
    assert (await checked(split, against=file, write=file))[0]
    done, output = await retired(split, NEW + timedelta(days=20))
    assert "0 entries of 0 accounts from before 2026-06-01" in output
    done, output = await retired(split, NEW + timedelta(days=31))
    assert "4 entries of 3 accounts" in output
    assert await numbers(split, alice) == [6]
    assert (await checked(split, against=file))[0]
    shown = (await split.user("alice").get("/v1/audit-events")).json()["items"]
    assert [entry["sequence"] for entry in shown] == [6]


ALTERED = {
    "removed": "DELETE FROM audit_starts",
    "moved to an earlier entry": "UPDATE audit_starts SET sequence = 2",
    "by another": "UPDATE audit_starts SET retired_by = 'nobody'",
    "at another time": "UPDATE audit_starts SET retired_at = now() - interval '1 day'",
    "of another time": "UPDATE audit_starts SET before = now() - interval '1 day'",
    "after another entry": "UPDATE audit_starts SET mac = sha256(mac)",
    "without a seal": "UPDATE audit_starts SET seal = ''",
    "copied to a later entry": "INSERT INTO audit_starts SELECT account_id, 4, entry.mac, before, "
    "retired_at, retired_by, seal FROM audit_starts JOIN audit_events AS entry USING (account_id) "
    "WHERE entry.sequence = 4",
    "with a forged entry before it": "INSERT INTO audit_events SELECT account_id, 2, id, at, "
    "actor, actor_id, action, outcome, code, target, target_id, environment, address, request_id, "
    "details, mac, format FROM audit_events WHERE sequence = 4",
    "with one more entry gone": "DELETE FROM audit_events WHERE sequence = 4",
}


@pytest.mark.parametrize(
    "by_months", ["by entries", pytest.param("by months", marks=pytest.mark.torture)], indirect=True
)
@pytest.mark.parametrize("what", ALTERED)
async def test_nobody_without_the_key_can_retire_an_entry(
    split: Split, dated: Dated, by_months: bool, what: str
) -> None:
    dated(OLD)
    await account(split, "alice", 3)
    dated(NEW)
    await account(split, "alice", 2)
    assert (await retired(split))[0]
    assert (await checked(split))[0]
    await split.write(ALTERED[what])
    assert not (await checked(split))[0]


async def test_a_month_of_which_a_chain_is_broken_stays_whole(
    split: Split, dated: Dated, by_months: bool
) -> None:
    dated(OLD)
    alice = await account(split, "alice", 3)
    bob = await account(split, "bob", 3)
    await split.write("DELETE FROM audit_events WHERE sequence = 2 AND account_id = :a", a=alice)
    done, output = await retired(split)
    assert not done
    assert f"Account {alice}: entry 2 is missing or altered. Nothing of it was retired." in output
    assert ("No month was dropped" in output) == by_months
    assert f"{0 if by_months else 3} entries of" in output
    left = [1, 2, 3] if by_months else []
    assert [await numbers(split, who) for who in (alice, bob)] == [[1, 3], left]
    assert f"Account {bob}" not in (await checked(split))[1]


async def test_entries_are_retired_in_their_order_even_if_a_clock_went_back(
    split: Split, dated: Dated, by_months: bool
) -> None:
    """What was dated into a dropped month after a newer entry stays, elsewhere."""
    alice = UUID(int=0)
    for at in (OLD, NEW, OLD, NEW):
        dated(at)
        alice = await account(split, "alice", 1)
    assert (await retired(split))[0]
    assert await numbers(split, alice) == [2, 3, 4]
    kept = {"audit_months.other", "audit_months.month_2026_06"}
    assert await partitions(split) == (kept if by_months else {"audit_months.other"})
    assert (await checked(split))[0]
    assert (await retired(split, CUT + timedelta(days=30)))[0]
    assert await numbers(split, alice) == []
    assert (await checked(split))[0]


class Stopped(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.torture, id="anywhere"), pytest.param(4, id="often")]
)
async def test_wherever_it_is_killed_nothing_or_everything_is_retired(
    split: Split, dated: Dated, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Rule R39."""
    await add_month(split, OLD.replace(day=1))
    dated(OLD)
    alice = await account(split, "alice", 3)
    bob = await account(split, "bob", 2)
    dated(NEW)
    await account(split, "alice", 1)
    countdown = 0

    def opened(*arguments: Any, **options: Any) -> Database:
        database = open_database(*arguments, **options)

        def count(*_: object) -> None:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                raise Stopped

        event.listen(database.engine.sync_engine, "before_cursor_execute", count)
        event.listen(database.engine.sync_engine, "commit", count)
        return database

    monkeypatch.setattr(retire_audit, "open_database", opened)
    states: set[tuple[int, int]] = set()
    for number in range(1, 100, step):
        countdown = number
        try:
            done, _ = await retired(split)
        except Stopped:
            done = False
        whole, output = await checked(split)
        assert whole, (number, output)
        state = len(await numbers(split, alice)), len(await numbers(split, bob))
        if done:
            break
        states.add(state)
    assert number > 20
    assert state == (1, 0)
    assert states <= {(4, 2), (1, 0)}
    assert (4, 2) in states


@pytest.mark.torture
async def test_a_killed_process_leaves_the_chains_as_they_were(split: Split, dated: Dated) -> None:
    """Kill it while its last transaction waits, after it has locked all tables."""
    await add_month(split, OLD.replace(day=1))
    dated(OLD)
    alice = await account(split, "alice", 3)
    url = split.superuser.engine.url.set(drivername="postgresql")
    environment = {
        "BOTKEYS_MODE": "production",
        "BOTKEYS_KEYS_DIR": str(split.keys.path),
        "BOTKEYS_DATABASE_URL": url.render_as_string(hide_password=False),
        "BOTKEYS_DATABASE_TLS": "any",
        "BOTKEYS_OIDC_ISSUER": "https://issuer.test",
    }
    command = (sys.executable, "-m", "app", "audit", "retire", "--before", f"{CUT:%Y-%m-%d}")
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'botkeys-audit'"
        " AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO audit_starts%'"
    )
    async with split.superuser.sessions() as holder, split.superuser.sessions() as watcher:
        await holder.execute(text("LOCK TABLE audit_starts IN SHARE MODE"))
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        async with asyncio.timeout(30):
            while not await watcher.scalar(waiting):
                await watcher.rollback()
                await asyncio.sleep(0.02)
        process.kill()
        assert await process.wait() == -signal.SIGKILL
    whole, output = await checked(split)
    assert whole, output
    assert await numbers(split, alice) == [1, 2, 3]
    assert (await retired(split))[0]
    assert (await checked(split))[0]
    assert await numbers(split, alice) == []


async def test_a_month_is_dropped_once_nobody_reads_the_log_any_more(
    split: Split, dated: Dated, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_month(split, OLD.replace(day=1))
    dated(OLD)
    alice = await account(split, "alice", 2)
    monkeypatch.setattr(audit_months, "PATIENCE_SECONDS", 0.1)
    async with split.superuser.sessions() as reader:
        await reader.execute(text("SELECT count(*) FROM audit_events"))
        done, output = await retired(split)
    assert not done
    assert "other sessions held locks" in output
    assert "0 entries of 0 accounts" in output
    assert await numbers(split, alice) == [1, 2]
    assert (await checked(split))[0]
    assert (await retired(split))[0]
    assert await numbers(split, alice) == []


async def test_a_former_release_s_chain_can_be_retired_whole_and_goes_on(
    split: Split, dated: Dated
) -> None:
    claims = await split.api.context.verifier.verify(split.user("alice").token)
    alice = split.api.context.verifier.principal(claims, None).account_id
    former = Former(split, alice)
    for _ in range(3):
        await former.record()
    done, _ = await retired(split, datetime.now(UTC) - timedelta(days=31))
    assert done
    assert await numbers(split, alice) == [1, 2, 3]

    dated(OLD)
    await split.write("DELETE FROM audit_heads", "DELETE FROM audit_events")
    former = Former(split, alice, at=OLD)
    for _ in range(3):
        await former.record()
    assert (await retired(split))[0]
    assert await numbers(split, alice) == []
    await account(split, "alice", 1)
    whole, output = await checked(split)
    assert whole, output
    assert "does not seal" not in output


async def test_what_is_recent_cannot_be_retired(split: Split) -> None:
    await account(split, "alice", 1)
    with pytest.raises(SettingsError, match="last 31 days"):
        await retired(split, datetime.now(UTC) - timedelta(days=30))
    async with split.superuser.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(AuditStart)) == 0


@pytest.mark.parametrize("role", ["botkeys_api", "botkeys_runtime"])
async def test_no_login_of_the_service_can_write_a_start(split: Split, role: str) -> None:
    async with split.superuser.sessions() as session:
        for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            query = text("SELECT has_table_privilege(:role, 'audit_starts', :right)")
            assert not await session.scalar(query, {"role": role, "right": right})
