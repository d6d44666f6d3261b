"""Deletion marks: what they cover, stated in Python and again in SQL."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import DateTime, Text, Uuid, column, insert, select, text, values

from app.db.base import new_id
from app.db.engine import Database
from app.db.models import Account, DeletionMark
from app.domains.trading.marks import FEW, FOREVER, Mark, covers, not_covered, read_marks

START = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = [UUID(int=number) for number in range(1, 4)]
PLACES: list[tuple[str | None, UUID | None]] = [
    (environment, key) for environment in ("live", "testnet", None) for key in (*KEYS, None)
]
TIMES = [START + timedelta(days=day) for day in range(5)]
ROWS = [(number, *place, at) for number, (place, at) in enumerate(itertools.product(PLACES, TIMES))]


def drawn(seed: int) -> list[Mark]:
    chance = random.Random(seed)  # noqa: S311  # marks, not secrets
    return [
        Mark(
            chance.choice([None, "live", "testnet"]),
            chance.choice([None, *KEYS]),
            chance.choice([*TIMES, TIMES[2] + timedelta(microseconds=1), FOREVER]),
        )
        for _ in range(chance.randrange(5))
    ]


@pytest.mark.parametrize("few", [FEW, 0])
@pytest.mark.parametrize("environment", [None, "live", "testnet"])
async def test_the_database_leaves_out_just_what_a_mark_covers(
    database: Database, environment: str | None, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule R25; also where there are so many marks of keys that they are looked up."""
    monkeypatch.setattr("app.domains.trading.marks.FEW", few)
    table = values(
        column("number", Text),
        column("environment", Text),
        column("key_id", Uuid),
        column("at", DateTime(timezone=True)),
        name="rows",
    ).data([(str(number), *row) for number, *row in ROWS])
    left = set()
    async with database.sessions() as session:
        for seed in range(40):
            marks = drawn(seed)
            conditions = not_covered(marks, table, table.c.at, environment)
            if environment is not None:
                conditions.append(table.c.environment == environment)
            shown = set(await session.scalars(select(table.c.number).where(*conditions)))
            assert shown == {
                str(number)
                for number, its, key, at in ROWS
                if environment in (None, its) and not any(covers(m, its, key, at) for m in marks)
            }, (seed, marks)
            left.add(len(shown))
    assert len(left) > 5


def test_a_mark_of_a_whole_environment_bounds_the_time_and_looks_at_nothing_else() -> None:
    marks = [
        Mark("live", None, TIMES[2]),
        Mark(None, None, TIMES[1]),
        Mark("live", KEYS[0], TIMES[0]),
        Mark("testnet", KEYS[1], FOREVER),
    ]
    table = DeletionMark.__table__

    (only,) = not_covered(marks, table, table.c.created_at, "live")

    assert str(only) == "deletion_marks.created_at >= :created_at_1"
    assert only.compile().params == {"created_at_1": TIMES[2]}


def test_a_cutoff_is_the_first_moment_that_is_kept() -> None:
    mark = Mark("live", None, START)

    assert covers(mark, "live", KEYS[0], START - timedelta(microseconds=1))
    assert not covers(mark, "live", KEYS[0], START)
    assert not covers(mark, "testnet", KEYS[0], START - timedelta(days=1))
    assert covers(Mark(None, KEYS[0], FOREVER), "live", KEYS[0], FOREVER)


async def test_marks_are_read_alike_over_a_session_and_a_reader(database: Database) -> None:
    account, other = uuid4(), uuid4()
    until = {account: [START, FOREVER], other: [START]}
    async with database.sessions.begin() as session:
        for one, cutoffs in until.items():
            await session.execute(
                insert(Account).values(account_id=one, issuer="test", subject=str(one))
            )
            for cutoff, key in zip(cutoffs, KEYS, strict=False):
                mark = DeletionMark(
                    account_id=one, id=new_id(), environment=None, key_id=key, cutoff=cutoff
                )
                session.add(mark)
    async with database.sessions() as session:
        at_infinity = await session.scalar(
            text("SELECT count(*) FROM deletion_marks WHERE cutoff = 'infinity'")
        )
        of_session = await read_marks(session, account)
    of_reader = await read_marks(database.autocommit, account)

    expected = {Mark(None, KEYS[0], START), Mark(None, KEYS[1], FOREVER)}
    assert set(of_session) == set(of_reader) == expected
    assert at_infinity == 1
