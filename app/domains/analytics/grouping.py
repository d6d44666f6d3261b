"""What a summary is told by: each key, bot or symbol, or each period of the calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from app.db.models.rollup import BY_BOT, BY_KEY, BY_SYMBOL

GroupBy = TypeAliasType(
    "GroupBy",
    Annotated[
        Literal["key", "bot", "symbol", "day", "week", "month"],
        Field(description="What the figures of a summary are grouped by."),
    ],
)
PERIODS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of one page. `members` are the texts of keys, bots or symbols; `bounds` are where
    periods begin and end, in order: the group `n` lies before the bound of that number.
    """

    kind: GroupBy | None = None
    members: Sequence[str] = ()
    bounds: Sequence[datetime] = ()

    @property
    def scope(self) -> int:
        return {"key": BY_KEY, "bot": BY_BOT, "symbol": BY_SYMBOL}.get(self.kind or "", 0)

    @property
    def expression(self) -> str:
        """Of the group, as text; `{of}` is the table and `{at}` the time."""
        if self.kind in PERIODS:
            return "width_bucket({at}, CAST(:bounds AS timestamptz[]))::text"
        return member(self.kind)

    @property
    def of_snapshots(self) -> str:
        """Which groups a snapshot concerns: those of its key or bot, else all (empty)."""
        return member(self.kind) if self.kind in ("key", "bot") else "''"

    @property
    def values(self) -> dict[str, Any]:
        if self.kind in PERIODS:
            return {"bounds": list(self.bounds)}
        return {"members": list(self.members)} if self.kind else {}


def member(kind: str | None) -> str:
    return {"key": "{of}.key_id::text", "bot": "{of}.bot_id::text", "symbol": "{of}.symbol"}.get(
        kind or "", "''"
    )
