"""Old audit entries can be retired, by someone with the audit key alone, and verifiably."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from app.commands.retire_audit import retire
from app.db.models import AuditEvent, AuditStart
from app.domains.audit import log
from app.domains.audit.entry import Entry
from app.settings import SettingsError
from tests.security.test_audit_anchors import Former, account, checked
from tests.support.split import Split, production

CUT = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW = CUT - timedelta(days=1), CUT + timedelta(days=1)

Dated = Callable[[datetime], None]


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
    split: Split, dated: Dated, tmp_path: Path
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
    assert "5 entries of 2 accounts were retired by " in output
    assert [await numbers(split, who) for who in (alice, bob, carol)] == [[4, 5], [], [1]]
    whole, output = await checked(split, against=file)
    assert whole, output
    assert "2 chains begin later: entries before 2026-06-01 were retired on 20" in output
    assert "3 chains checked: all are intact." in output

    await account(split, "bob", 1)
    dated(NEW + timedelta(days=30))
    await account(split, "alice", 1)
    assert (await checked(split, against=file, write=file))[0]
    done, output = await retired(split, NEW + timedelta(days=2))
    assert "4 entries of 3 accounts" in output
    assert await numbers(split, alice) == [6]
    assert (await checked(split, against=file))[0]
    shown = (await split.user("alice").get("/v1/audit-events")).json()["items"]
    assert [entry["sequence"] for entry in shown] == [6]


ALTERED = {
    "removed": "DELETE FROM audit_starts",
    "moved to an earlier entry": "UPDATE audit_starts SET sequence = 2",
    "by another": "UPDATE audit_starts SET retired_by = 'nobody'",
    "at another time": "UPDATE audit_starts SET retired_at = retired_at - interval '1 day'",
    "of another time": "UPDATE audit_starts SET before = before + interval '1 day'",
    "after another entry": "UPDATE audit_starts SET mac = sha256(mac)",
    "without a seal": "UPDATE audit_starts SET seal = ''",
    "copied to a later entry": "INSERT INTO audit_starts SELECT account_id, 4, (SELECT mac FROM "
    "audit_events WHERE sequence = 4), before, retired_at, retired_by, seal FROM audit_starts",
    "with a forged entry before it": "INSERT INTO audit_events SELECT account_id, 2, id, at, "
    "actor, actor_id, action, outcome, code, target, target_id, environment, address, request_id, "
    "details, mac, format FROM audit_events WHERE sequence = 4",
    "with one more entry gone": "DELETE FROM audit_events WHERE sequence = 4",
}


@pytest.mark.parametrize("what", ALTERED)
async def test_nobody_without_the_key_can_retire_an_entry(
    split: Split, dated: Dated, what: str
) -> None:
    dated(OLD)
    await account(split, "alice", 3)
    dated(NEW)
    await account(split, "alice", 2)
    assert (await retired(split))[0]
    assert (await checked(split))[0]
    await split.write(ALTERED[what])
    assert not (await checked(split))[0]


async def test_a_broken_chain_is_left_as_it_is(split: Split, dated: Dated) -> None:
    dated(OLD)
    alice = await account(split, "alice", 3)
    bob = await account(split, "bob", 3)
    await split.write("DELETE FROM audit_events WHERE sequence = 2 AND account_id = :a", a=alice)
    done, output = await retired(split)
    assert not done
    assert f"Account {alice}: entry 2 is missing or altered. Nothing was retired." in output
    assert [await numbers(split, who) for who in (alice, bob)] == [[1, 3], []]


async def test_entries_are_retired_in_their_order_even_if_a_clock_went_back(
    split: Split, dated: Dated
) -> None:
    alice = UUID(int=0)
    for at in (OLD, NEW, OLD, NEW):
        dated(at)
        alice = await account(split, "alice", 1)
    assert (await retired(split))[0]
    assert await numbers(split, alice) == [2, 3, 4]
    assert (await checked(split))[0]


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
