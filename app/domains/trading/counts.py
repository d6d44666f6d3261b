"""Rows of trading data, counted by kind."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document

EXAMPLE_COUNTS = {"trades": 1204, "positions": 88, "equity_snapshots": 20160, "signals": 0}
EXAMPLE_COUNTS["bot_events"] = 31

DeletedRows = TypeAliasType(
    "DeletedRows",
    Annotated[dict[str, int], Field(description="Numbers of deleted rows, by kind.")],
)


class KindCounts(Document):
    """Numbers of rows, by kind."""

    trades: int
    positions: int
    equity_snapshots: int
    signals: int
    bot_events: int
