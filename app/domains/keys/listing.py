"""The list of keys: its filters and orders."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Boolean, Text

from app.db.paged_list import TEXT_IGNORING_CASE, Order, PagedList, Sorted
from app.domains.keys.rows import keys_sql


class KeySort(StrEnum):
    """The orders of the list of keys; each has an index (`app.db.models.key`)."""

    LABEL = "label"
    LABEL_DESCENDING = "-label"
    CREATED_AT = "created_at"
    CREATED_AT_DESCENDING = "-created_at"
    EXCHANGE = "exchange"
    EXCHANGE_DESCENDING = "-exchange"
    EXPIRES_AT = "expires_at"
    EXPIRES_AT_DESCENDING = "-expires_at"


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """A filter of keys. `None` filters nothing; `search` looks in label, exchange and mask,
    ignoring case.
    """

    environment: str | None = None
    exchange: str | None = None
    active: bool | None = None
    assigned: bool | None = None
    search: str | None = None


_SEARCHED = " OR ".join(
    f"strpos(lower(keys.{column}), lower(:search)) > 0"
    for column in ("label", "exchange", "masked_key")
)
_SORTED = {
    "label": Sorted("label", "text", TEXT_IGNORING_CASE),
    "created_at": Sorted("created_at", "timestamptz"),
    "exchange": Sorted("exchange", "text"),
    "expires_at": Sorted("expires_at", "timestamptz", "coalesce({}, 'infinity')"),
}
KEYS = PagedList(
    "keys",
    keys_sql,
    filters={
        "environment": ("keys.environment = :environment", Text()),
        "exchange": ("keys.exchange = :exchange", Text()),
        "active": ("keys.active = :active", Boolean()),
        "assigned": ("(bots.id IS NOT NULL) = :assigned", Boolean()),
        "search": (f"({_SEARCHED})", Text()),
    },
)


def order_of(sort: KeySort | None) -> Order | None:
    return None if sort is None else Order.of("keys", sort, _SORTED)
