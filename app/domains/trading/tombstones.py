"""Deletes positions, and remembers for a while which they were.

Their ids are the bots' own, and a report need not tell a time: nothing else tells a late one of
what was deleted from the first one of a new position.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, Text, delete, exists, func, literal_column, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert

from app.db.base import AnySelect
from app.db.models import Bot, Position, PurgedPosition

REMEMBERED = timedelta(days=30)
"""How long, from the removal on; and how young a position's last report is then, at least. What was
silent for longer is not repeated."""

_POSITIONS = cast("Table", Position.__table__)
_PURGED = cast("Table", PurgedPosition.__table__)
_UTF8: ColumnElement[str] = literal_column("'UTF8'")


def digest_of(
    account_id: ColumnElement[Any], bot_id: ColumnElement[Any], name: ColumnElement[Any]
) -> ColumnElement[bytes]:
    """In SQL. UUIDs have one length as text: no two positions are written alike."""
    written = sql_cast(account_id, Text) + sql_cast(bot_id, Text) + name
    return func.sha256(func.convert_to(written, _UTF8))


def removal(conditions: Iterable[ColumnElement[bool]]) -> AnySelect:
    """The statement that deletes these positions, and tells how many they were.

    Nothing is remembered for bots that are gone: they report nothing.
    """
    columns = ("account_id", "bot_id", "id", "updated_at", "opened_at", "closed_at")
    gone = (
        delete(_POSITIONS)
        .where(*conditions)
        .returning(*(_POSITIONS.c[name] for name in columns))
        .cte("gone")
    )
    now = func.clock_timestamp()
    # The clock of a bot may be ahead: its report, said again, is not of a later position.
    until = func.greatest(now, gone.c.opened_at, gone.c.closed_at)
    digest = digest_of(gone.c.account_id, gone.c.bot_id, gone.c.id)
    recent = select(gone.c.account_id, gone.c.bot_id, digest, until).where(
        gone.c.updated_at > now - REMEMBERED,
        exists().where(Bot.account_id == gone.c.account_id, Bot.id == gone.c.bot_id),
    )
    new = insert(_PURGED).from_select(["account_id", "bot_id", "digest", "purged_at"], recent)
    remembered = new.on_conflict_do_update(
        index_elements=list(_PURGED.primary_key), set_={"purged_at": new.excluded.purged_at}
    )
    return select(func.count()).select_from(gone).add_cte(remembered.cte("remembered"))
