"""Rows of trading data, counted by kind."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document

MOST_COUNTED = 100_000
"""Where the preview of a deletion stops counting rows of a kind."""

Exact = Annotated[
    bool,
    Field(
        examples=[True],
        description=f"Whether all rows were counted. If not, a count of {MOST_COUNTED} means at "
        "least as many.",
    ),
]


def all_counted(counts: Mapping[str, int]) -> bool:
    return max(counts.values()) < MOST_COUNTED


EXAMPLE_COUNTS = {"trades": 1204, "funding": 90, "positions": 88, "equity_snapshots": 20160}
EXAMPLE_COUNTS |= {"signals": 0, "bot_events": 31}

DeletedRows = TypeAliasType(
    "DeletedRows",
    Annotated[dict[str, int], Field(description="Numbers of deleted rows, by kind.")],
)


class KindCounts(Document):
    """Numbers of rows, by kind."""

    trades: int
    funding: int
    positions: int
    equity_snapshots: int
    signals: int
    bot_events: int
