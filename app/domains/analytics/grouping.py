"""The grouping of a summary: by key, bot or symbol, or by a period of the calendar."""

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
    """The groups of one page. `members` are the texts of keys, bots or symbols. `bounds` are where
    periods begin and end, in order: group `n` ends at `bounds[n]`.
    """

    kind: GroupBy | None = None
    members: Sequence[str] = ()
    bounds: Sequence[datetime] = ()

    @property
    def scope(self) -> int:
        return {"key": BY_KEY, "bot": BY_BOT, "symbol": BY_SYMBOL}.get(self.kind or "", 0)

    @property
    def expression(self) -> str:
        """Return the group as an SQL text expression; `{of}` is the table and `{at}` the time."""
        if self.kind in PERIODS:
            return "width_bucket({at}, CAST(:bounds AS timestamptz[]))::text"
        return member(self.kind)

    @property
    def of_snapshots(self) -> str:
        """Return the group that a snapshot concerns: its key or bot, or all groups (empty)."""
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
