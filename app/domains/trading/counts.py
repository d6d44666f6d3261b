"""Rows of trading data, counted by kind."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from app.api.schemas import Document

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
