"""The list of bots: its filters and orders."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Boolean, Text

from app.db.paged_list import TEXT_IGNORING_CASE, Order, PagedList, Sorted
from app.domains.bots.rows import ONLINE, blocked_sql, bots_sql


class BotSort(StrEnum):
    """The orders of the list of bots; each has an index (`app.db.models.bot`)."""

    NAME = "name"
    NAME_DESCENDING = "-name"
    CREATED_AT = "created_at"
    CREATED_AT_DESCENDING = "-created_at"


@dataclass(frozen=True, slots=True)
class BotFilter:
    """A filter of bots. `None` filters nothing; the environment is that of the bot's key; `search`
    looks in the name, ignoring case.
    """

    environment: str | None = None
    assigned: bool | None = None
    online: bool | None = None
    paused: bool | None = None
    blocked: bool | None = None
    search: str | None = None


_SORTED = {
    "name": Sorted("name", "text", TEXT_IGNORING_CASE),
    "created_at": Sorted("created_at", "timestamptz"),
}


def _list(*, refuse_withdrawal: bool) -> PagedList:
    blocked = blocked_sql(refuse_withdrawal=refuse_withdrawal)
    return PagedList(
        "bots",
        bots_sql,
        filters={
            "environment": ("keys.environment = :environment", Text()),
            "assigned": ("(bots.key_id IS NOT NULL) = :assigned", Boolean()),
            "online": (f"{ONLINE} = :online", Boolean()),
            "paused": ("bots.paused = :paused", Boolean()),
            "blocked": (f"({blocked}) = :blocked", Boolean()),
            "search": ("strpos(lower(bots.name), lower(:search)) > 0", Text()),
        },
    )


BOTS = {refuse: _list(refuse_withdrawal=refuse) for refuse in (True, False)}
"""The list, by whether the policy refuses keys that can withdraw: it decides who is blocked."""


def order_of(sort: BotSort | None) -> Order | None:
    return None if sort is None else Order.of("bots", sort, _SORTED)
