"""Deletes positions and keeps tombstones of them for a while.

Position ids are chosen by bots, and a report need not carry a time. Only a tombstone distinguishes
a late report of a deleted position from the first report of a new one.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, Text, delete, func, literal_column, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert

from app.db.base import AnySelect
from app.db.models import Bot, Position, PurgedPosition

REMEMBERED = timedelta(days=30)
"""How long a tombstone is kept. A position whose last report is older gets none: a report of it is
not repeated that late.
"""

_POSITIONS = cast("Table", Position.__table__)
_PURGED = cast("Table", PurgedPosition.__table__)
_UTF8: ColumnElement[str] = literal_column("'UTF8'")


def digest_of(
    account_id: ColumnElement[Any], bot_id: ColumnElement[Any], name: ColumnElement[Any]
) -> ColumnElement[bytes]:
    """Return the digest as SQL. UUIDs have a fixed length as text, so no two positions collide."""
    written = sql_cast(account_id, Text) + sql_cast(bot_id, Text) + name
    return func.sha256(func.convert_to(written, _UTF8))


def removal(conditions: Iterable[ColumnElement[bool]]) -> AnySelect:
    """Return the statement that deletes these positions and returns how many there were.

    Bots that are gone get no tombstones: they report nothing.
    """
    columns = ("account_id", "bot_id", "id", "updated_at", "opened_at", "closed_at")
    gone = (
        delete(_POSITIONS)
        .where(*conditions)
        .returning(*(_POSITIONS.c[name] for name in columns))
        .cte("gone")
    )
    now = func.clock_timestamp()
    # A bot's clock may be ahead: its repeated report must not pass for a later position.
    until = func.greatest(now, gone.c.opened_at, gone.c.closed_at)
    digest = digest_of(gone.c.account_id, gone.c.bot_id, gone.c.id)
    recent = (
        select(gone.c.account_id, gone.c.bot_id, digest, until)
        .join(Bot, (Bot.account_id == gone.c.account_id) & (Bot.id == gone.c.bot_id))
        .where(gone.c.updated_at > now - REMEMBERED)
    )
    new = insert(_PURGED).from_select(["account_id", "bot_id", "digest", "purged_at"], recent)
    remembered = new.on_conflict_do_update(
        index_elements=list(_PURGED.primary_key), set_={"purged_at": new.excluded.purged_at}
    )
    return select(func.count()).select_from(gone).add_cte(remembered.cte("remembered"))
