"""What `botkeys audit verify` finds beyond a single chain: logs removed or put back as a whole."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text

from app.commands.verify_audit import verify_all
from app.db.models import AuditEvent, AuditHead
from app.domains.audit.anchors import AnchorReader, AnchorsUnusable
from app.domains.audit.chain import verify
from app.domains.audit.entry import GENESIS, Entry, link
from botkeys.sealing.boxes import SecretBytes
from tests.support.split import Split, production


async def checked(split: Split, **files: Path) -> tuple[bool, str]:
    """Run the command's work; return whether all is intact, and what it reports."""
    url = split.superuser.engine.url.set(drivername="postgresql")
    lines: list[str] = []
    whole = await verify_all(
        production(split.keys.path, url.render_as_string(hide_password=False)),
        lines.append,
        **files,
    )
    return whole, "\n".join(lines)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def account(split: Split, name: str, entries: int) -> UUID:
    user = split.user(name)
    for number in range(entries):
        answer = await user.post("/v1/bots", {"name": f"bot {number}"})
        assert answer.status_code == 201
    claims = await split.api.context.verifier.verify(user.token)
    return split.api.context.verifier.principal(claims, None).account_id


async def test_what_was_written_is_found_again_and_may_go_on(split: Split, tmp_path: Path) -> None:
    file = tmp_path / "heads.json"
    for name in ("alice", "bob", "carol"):
        await account(split, name, 3)
    whole, output = await checked(split, write=file)
    assert whole
    assert "3 chains checked: all are intact." in output
    assert names(tmp_path) == ["heads.json"]

    await account(split, "bob", 2)
    await account(split, "dave", 1)
    whole, output = await checked(split, against=file, write=file)
    assert whole
    assert "Compared with 3 heads" in output
    key = split.api.context.audit
    assert sorted(anchor.sequence for anchor in AnchorReader(file, key)) == [1, 3, 3, 5]


async def test_only_an_anchor_tells_that_log_and_head_were_put_back_together(
    split: Split, tmp_path: Path
) -> None:
    """Rule R39."""
    file = tmp_path / "heads.json"
    alice = await account(split, "alice", 2)
    async with split.superuser.sessions() as session:
        query = select(AuditHead.__table__).where(AuditHead.account_id == alice)
        backup = (await session.execute(query)).one()
    await account(split, "alice", 2)
    assert (await checked(split, write=file))[0]

    await split.write(
        "DELETE FROM audit_events WHERE sequence > 2",
        "UPDATE audit_heads SET sequence = 2, mac = :mac, seal = :seal, sealed_sequence = 2",
        mac=backup.mac,
        seal=backup.seal,
    )
    assert (await checked(split))[0]
    whole, output = await checked(split, against=file)
    assert not whole
    assert f"Account {alice}: its log ends with entry 2, but had 4 entries at 20" in output

    await account(split, "alice", 3)
    assert (await checked(split))[0]
    whole, output = await checked(split, against=file, write=file)
    assert not whole
    assert f"Account {alice}: entry 4 is another one than it was at 20" in output
    assert "was not written" in output
    assert AnchorReader(file, split.api.context.audit).count == 1


@pytest.mark.parametrize("position", range(3))
async def test_a_log_that_was_removed_whole_is_missed(
    split: Split, tmp_path: Path, position: int
) -> None:
    """Rule R39."""
    file = tmp_path / "heads.json"
    accounts = sorted([await account(split, name, 2) for name in ("alice", "bob", "carol")])
    assert (await checked(split, write=file))[0]
    gone = accounts[position]
    for table in ("audit_events", "audit_heads", "bots"):
        await split.write(f"DELETE FROM {table} WHERE account_id = :gone", gone=gone)  # noqa: S608  # names of ours
    assert (await checked(split))[0]
    whole, output = await checked(split, against=file)
    assert not whole
    assert f"Account {gone}: its whole log is missing, but had 2 entries at 20" in output
    assert "2 chains checked: NOT all are intact." in output


async def test_an_account_in_use_without_a_log_is_reported_without_anchors(split: Split) -> None:
    alice = await account(split, "alice", 1)
    await split.write("DELETE FROM audit_events", "DELETE FROM audit_heads")
    whole, output = await checked(split)
    assert not whole
    assert f"Account {alice}: it has bots or keys, or was closed, but has no log." in output


async def test_a_file_that_was_altered_or_cut_short_is_not_used(
    split: Split, tmp_path: Path
) -> None:
    file = tmp_path / "heads.json"
    for name in ("alice", "bob"):
        await account(split, name, 1)
    assert (await checked(split, write=file))[0]
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    for altered in (
        [],
        lines[:-1],
        lines[1:],
        [lines[0], *lines[2:]],
        [lines[0], lines[2], lines[1], lines[3]],
        [*lines, b"\n"],
        [line.replace(b'"sequence":1', b'"sequence":0') for line in lines],
        [line.replace(b'"written_at":"2', b'"written_at":"1') for line in lines],
    ):
        file.write_bytes(b"".join(altered))
        with pytest.raises(AnchorsUnusable, match=r"heads\.json"):
            await checked(split, against=file)
    file.write_bytes(b"".join(lines))
    with pytest.raises(AnchorsUnusable, match="another audit key"):
        AnchorReader(file, SecretBytes(bytes(32)))
    assert (await checked(split, against=file))[0]
    with pytest.raises(AnchorsUnusable, match="cannot be read"):
        await checked(split, against=tmp_path / "other.json")
    with pytest.raises(AnchorsUnusable, match="cannot be written"):
        await checked(split, write=tmp_path / "none" / "heads.json")


class Former:
    """A release that neither seals heads nor writes formats, on the same database."""

    def __init__(self, split: Split, account_id: UUID, at: datetime | None = None) -> None:
        self._split = split
        self._account_id = account_id
        self._at = at or datetime.now(UTC)

    async def record(self) -> None:
        key = self._split.api.context.audit.reveal()
        async with self._split.superuser.sessions.begin() as session:
            head = (
                await session.execute(
                    text("SELECT sequence, mac FROM audit_heads WHERE account_id = :account"),
                    {"account": self._account_id},
                )
            ).one_or_none()
            sequence, previous = head or (0, GENESIS)
            entry = Entry(
                account_id=self._account_id,
                sequence=sequence + 1,
                id=uuid4(),
                at=self._at,
                actor="user",
                actor_id="alice",
                action="bot.add",
                outcome="allowed",
                code=None,
                target=None,
                target_id=None,
                environment=None,
                address=None,
                request_id="",
            )
            mac = link(key, previous, entry, 1)
            if head is None:
                await session.execute(
                    text("INSERT INTO audit_heads (account_id, sequence, mac) VALUES (:a, 0, :m)"),
                    {"a": self._account_id, "m": GENESIS},
                )
            await session.execute(insert(AuditEvent).values(**entry.members(1), mac=mac))
            await session.execute(
                text("UPDATE audit_heads SET sequence = sequence + 1, mac = :mac"), {"mac": mac}
            )


async def test_a_chain_of_a_former_release_holds_and_is_sealed_by_the_next_entry(
    split: Split,
) -> None:
    claims = await split.api.context.verifier.verify(split.user("alice").token)
    alice = split.api.context.verifier.principal(claims, None).account_id
    former = Former(split, alice)
    for count in range(2):
        await former.record()
        await former.record()
        whole, output = await checked(split)
        assert whole, output
        assert "1 chains end with an entry of a release that does not seal" in output
        await account(split, "alice", 2 + count)
        whole, output = await checked(split)
        assert whole, output
        assert "does not seal" not in output
    await former.record()
    # The former release's entries cannot be output to be ours, nor can ours be removed before them.
    async with split.superuser.sessions() as session:
        assert (await verify(session, split.api.context.audit, alice)).broken_at is None
    await split.write("UPDATE audit_heads SET seal = sha256(seal)")
    assert not (await checked(split))[0]
