"""The SQL that counts an account's trading data. Every statement names the account."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import and_, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import AnyRow, AnySelect
from app.db.models import Key, KeyLabel
from app.domains.trading.kinds import KINDS, DataKind, held_in
from app.domains.trading.marks import Mark, not_covered, read_marks


class DataRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def counts(self) -> list[AnyRow]:
        """Return how many rows of each kind each key has, newest key first; zero counts are left
        out.

        A row has `kind`, `count`, `key_id`, and the key's `label`, `exchange`, `environment` and
        whether it is `deleted`. Index-only scans answer this; a million rows take half a second.
        """
        marks = await read_marks(self._session, self._account_id)
        found = union_all(*(self._of(kind, marks) for kind in KINDS)).subquery("found")
        counts = (
            select(
                found.c.kind,
                found.c.count,
                KeyLabel.key_id,
                KeyLabel.label,
                KeyLabel.exchange,
                KeyLabel.environment,
                Key.id.is_(None).label("deleted"),
            )
            .join(KeyLabel, KeyLabel.key_id == found.c.key_id)
            .outerjoin(Key, and_(Key.account_id == self._account_id, Key.id == KeyLabel.key_id))
            .where(KeyLabel.account_id == self._account_id)
            .order_by(KeyLabel.key_id.desc())
        )
        return list((await self._session.execute(counts)).all())

    def _of(self, kind: DataKind, marks: Sequence[Mark]) -> AnySelect:
        table = kind.table.c
        left = not_covered(marks, kind.table, kind.time(kind.table))
        if left and kind.keeps_held:
            left = [or_(held_in(kind.table), and_(*left))]
        return (
            select(literal(kind.name).label("kind"), table.key_id, func.count().label("count"))
            .where(table.account_id == self._account_id, *left)
            .group_by(table.key_id)
        )
