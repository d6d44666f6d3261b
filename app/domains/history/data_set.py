"""The data that a query reads: one environment, without what was deleted in it."""

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import bindparam, select

from app.db.driver import Executor, Statement
from app.db.models import Account, DeletionMark
from app.domains.trading.marks import Mark, mark_of
from botkeys.exchanges.model import Environment


@dataclass(frozen=True, slots=True)
class DataSet:
    """An environment and the account's marks. Live and testnet data are never combined."""

    environment: str
    marks: tuple[Mark, ...] = ()

    def marks_for(self, key_id: UUID | None) -> list[Mark]:
        """Return the marks that concern one key, rewritten as if there were no other key.

        Their cut-offs then bound the scan of an index. Without a key, returns all marks.
        """
        if key_id is None:
            return list(self.marks)
        return [replace(m, key_id=None) for m in self.marks if m.key_id in (None, key_id)]


_ACCOUNT = Statement(
    select(
        Account.selected_environment,
        DeletionMark.account_id,
        DeletionMark.environment,
        DeletionMark.key_id,
        DeletionMark.cutoff,
    )
    .outerjoin(DeletionMark, DeletionMark.account_id == Account.account_id)
    .where(Account.account_id == bindparam("account"))
)


async def read_data_set(executor: Executor, account_id: UUID, environment: str | None) -> DataSet:
    """Return the data set of `environment`, by default of the one that the account selected."""
    rows = [tuple(row) for row in await executor.fetch(_ACCOUNT, account=account_id)]
    selected = rows[0][0] if rows else Environment.LIVE
    marks = tuple(mark_of(*mark) for _, of_account, *mark in rows if of_account is not None)
    return DataSet(environment or selected, marks)
