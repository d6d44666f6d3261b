"""The SQL of an import until a worker stores it: its operation and its staged rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Double,
    Text,
    Uuid,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import NOW
from app.db.driver import Executor, Statement
from app.db.models import Bot, ImportedRow, ImportRefusal, Key, KeyLabel, Operation
from app.db.models.deletion import IMPORT_TRADES
from app.domains.imports.formats.row import ImportedTrade
from app.domains.ingest.bulk_insert import array_text
from app.kit.json_codec import dumps

CLAIM_SECONDS = 30.0
"""How long an import waits for the next part of its file before a worker ends it."""

_ROWS = ImportedRow.__table__
_COLUMNS = ("line", *ImportedTrade._fields)
_REFUSED = ("line", "code", "detail")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _arrays(table: Any, columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(
        f"CAST(CAST(:{prefix}{name} AS text) AS {table.c[name].type.compile(dialect=_DIALECT)}[])"
        for name in columns
    )


# One statement, so that what is staged and what the operation says of it are never apart.
_STAGE = Statement(
    text(
        f"""
        WITH alive AS (
            UPDATE operations
            SET total = total + :read, receipt = CAST(CAST(:receipt AS text) AS jsonb),
                last_progress_at = statement_timestamp(),
                claimed_until = statement_timestamp() + :seconds * interval '1 second'
            WHERE account_id = :account AND id = :operation AND claim = :claim
                AND status = 'running' AND NOT cancel_requested
            RETURNING id
        ), staged AS (
            INSERT INTO import_rows (account_id, import_id, {", ".join(_COLUMNS)})
            SELECT :account, :operation, {", ".join(_COLUMNS)}
            FROM unnest({_arrays(_ROWS, _COLUMNS)}) AS read ({", ".join(_COLUMNS)})
            WHERE EXISTS (SELECT FROM alive)
            ON CONFLICT DO NOTHING
            RETURNING line
        ), noted AS (
            INSERT INTO import_refusals (account_id, import_id, {", ".join(_REFUSED)})
            SELECT :account, :operation, {", ".join(_REFUSED)}
            FROM unnest({_arrays(ImportRefusal.__table__, _REFUSED, "refused_")})
                AS refused ({", ".join(_REFUSED)})
            WHERE EXISTS (SELECT FROM alive)
            ON CONFLICT DO NOTHING
        )
        SELECT (SELECT count(*) FROM alive), (SELECT count(*) FROM staged)
        """  # noqa: S608  # built from constants only
    ).bindparams(
        bindparam("read", type_=BigInteger()),
        bindparam("seconds", type_=Double()),
        *(bindparam(name, type_=Uuid()) for name in ("account", "operation", "claim")),
        *(bindparam(name, type_=Text()) for name in ("receipt", *_COLUMNS)),
        *(bindparam(f"refused_{name}", type_=Text()) for name in _REFUSED),
    ),
    writes=True,
)
_HELD = (
    Operation.account_id == bindparam("account"),
    Operation.id == bindparam("operation"),
    Operation.claim == bindparam("the_claim"),
    Operation.status == "running",
)
_REJECTED = update(Operation).where(*_HELD).returning(Operation.id)
_FREE = {"phase": "rejected", "claim": null(), "claimed_until": null()}
_REJECT = Statement(_REJECTED.values(error=bindparam("sentence"), **_FREE), writes=True)
_FAIL = Statement(
    _REJECTED.values(
        error=bindparam("sentence"),
        status="failed",
        finished_at=NOW,
        **_FREE,
    ),
    writes=True,
)


class KeyOfImport(NamedTuple):
    """The key that a history belongs to, and the ids of all others of the account."""

    exchange: str
    environment: str
    contract_type: str
    region: str | None
    others: frozenset[UUID]


class Quota(NamedTuple):
    """The rows that the account imported on this UTC day, the seconds until it ends, and the
    database's time.
    """

    stored: int
    left: float
    now: datetime


class ImportRepository:
    """The imports of one account, under its shared lock."""

    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def key(self, key_id: UUID) -> KeyOfImport | None:
        query = select(Key.exchange, Key.environment, Key.contract_type, Key.region).where(
            Key.account_id == self._account_id, Key.id == key_id
        )
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        known = union(
            select(Key.id).where(Key.account_id == self._account_id),
            select(KeyLabel.key_id).where(KeyLabel.account_id == self._account_id),
        )
        others = set(await self._session.scalars(known)) - {key_id}
        return KeyOfImport(*row, frozenset(others))

    async def has_bot(self, bot_id: UUID) -> bool:
        query = select(Bot.id).where(Bot.account_id == self._account_id, Bot.id == bot_id)
        return await self._session.scalar(query) is not None

    async def today(self) -> Quota:
        today = func.date_trunc("day", func.clock_timestamp(), "UTC")
        stored = cast(Operation.receipt["imported"]["stored"].astext, BigInteger)
        query = select(
            func.coalesce(func.sum(stored), 0),
            func.extract("epoch", today + text("interval '1 day'") - func.clock_timestamp()),
            func.clock_timestamp(),
        ).where(
            Operation.account_id == self._account_id,
            Operation.kind == IMPORT_TRADES,
            Operation.created_at >= today,
        )
        rows, left, now = (await self._session.execute(query)).one()
        return Quota(int(rows), float(left), now)

    async def is_busy(self) -> bool:
        """Return whether the account has an import that has not ended, or rows of one staged."""
        one: Any = literal_column("1")
        staged = select(one).where(_ROWS.c.account_id == self._account_id)
        unfinished = select(one).where(
            Operation.account_id == self._account_id,
            Operation.kind == IMPORT_TRADES,
            Operation.status.in_(("queued", "running")),
        )
        return bool(await self._session.scalar(select(or_(exists(staged), exists(unfinished)))))

    async def begin(
        self, operation_id: UUID, claim: UUID, *, scope: dict[str, Any], environment: str
    ) -> bool:
        """Add the operation, held by this process; return `False` if the account has another."""
        now = func.clock_timestamp()
        new = (
            insert(Operation)
            .values(
                account_id=self._account_id,
                id=operation_id,
                kind=IMPORT_TRADES,
                status="running",
                phase="receiving",
                environment=environment,
                scope=scope,
                receipt=empty_receipt(),
                claim=claim,
                claimed_until=now + text(f"interval '{CLAIM_SECONDS} seconds'"),
                started_at=now,
                last_progress_at=now,
            )
            .on_conflict_do_nothing()
            .returning(Operation.id)
        )
        return await self._session.scalar(new) is not None

    async def received(
        self, operation_id: UUID, claim: UUID, receipt: dict[str, Any], staged: int
    ) -> bool:
        """Hand the import over to the workers; return `False` if it has ended.

        `staged` rows are left to them.
        """
        done = (
            update(Operation)
            .where(
                Operation.account_id == self._account_id,
                Operation.id == operation_id,
                Operation.claim == claim,
                Operation.status == "running",
                ~Operation.cancel_requested,
            )
            .values(
                phase="received",
                receipt=receipt,
                total=receipt["imported"]["read"],
                done=receipt["imported"]["read"] - staged,
                claim=None,
                claimed_until=None,
                last_progress_at=NOW,
            )
            .returning(Operation.id)
            .execution_options(synchronize_session=False)
        )
        return await self._session.scalar(done) is not None

    async def refusals(self, operation_id: UUID, most: int) -> list[dict[str, Any]]:
        table = ImportRefusal.__table__
        query = (
            select(table.c.line, table.c.code, table.c.detail)
            .where(table.c.account_id == self._account_id, table.c.import_id == operation_id)
            .order_by(table.c.line)
            .limit(most)
        )
        return [dict(row) for row in (await self._session.execute(query)).mappings()]


class StagingRepository:
    """The rows of one import while its file arrives, each batch a statement of its own."""

    def __init__(self, *, executor: Executor, account_id: UUID, operation_id: UUID) -> None:
        self._executor = executor
        self._place = {"account": account_id, "operation": operation_id}

    async def stage(
        self,
        claim: UUID,
        rows: Sequence[Sequence[Any]],
        refusals: Sequence[Sequence[Any]],
        *,
        read: int,
        receipt: dict[str, Any],
    ) -> int | None:
        """Stage rows, each with its line first; return how many are the first of their id.

        Returns `None` if the import has ended. `read` is how many records these came from.
        """
        columns = _texts(_COLUMNS, rows)
        refused = _texts(_REFUSED, refusals)
        [(alive, staged)] = await self._executor.fetch(
            _STAGE,
            **self._place,
            claim=claim,
            read=read,
            receipt=dumps(receipt).decode(),
            seconds=CLAIM_SECONDS,
            **columns,
            **{f"refused_{name}": value for name, value in refused.items()},
        )
        return int(staged) if alive else None

    async def reject(self, claim: UUID, sentence: str, *, staged: bool) -> None:
        """End the import; a worker removes what is staged before."""
        statement = _REJECT if staged else _FAIL
        await self._executor.fetch(statement, **self._place, the_claim=claim, sentence=sentence)


def empty_receipt() -> dict[str, Any]:
    counts = {"read": 0, "stored": 0, "duplicate": 0, "repeated": 0, "skipped": 0}
    return {"imported": {**counts, "refused": {}, "sums": {}}}


def _texts(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    values = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: array_text(column) for name, column in zip(names, values, strict=True)}
