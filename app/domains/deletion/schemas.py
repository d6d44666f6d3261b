"""The request for a deletion of trading data, and the response to its dry run."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Flag, Input
from app.domains.operations.schemas import KeptPositions
from app.domains.trading.counts import EXAMPLE_COUNTS, Exact, KindCounts
from app.domains.trading.fields import Moment
from botkeys.exchanges.model import Environment

MAX_KEYS = 100
DeletionScope = TypeAliasType(
    "DeletionScope",
    Annotated[
        Literal["all", "environment", "keys", "before"],
        Field(description="What a deletion covers."),
    ],
)


class DataDeletion(Input):
    """The trading data to delete. The scope `all` takes no other member, `environment` requires
    `environment`, `keys` requires `key_ids`. `before` requires a time, and `environment` or
    `key_ids` may narrow it down; if both are given, at least one key must belong to the
    environment.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"scope": "environment", "environment": "testnet", "dry_run": False},
                {"scope": "before", "before": "2026-01-01T00:00:00Z", "dry_run": True},
            ]
        }
    )

    scope: DeletionScope
    environment: Annotated[
        Environment | None, Field(description="Delete only the data of this environment.")
    ] = None
    key_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_KEYS)] | None = Field(
        None,
        description="Delete only the data of these keys, which may be deleted keys that have data "
        "left.",
    )
    before: Moment | None = Field(
        None,
        description="Delete only what happened before this time, which must not be in the future.",
    )
    dry_run: Flag = Field(default=False, description="Only count what would be deleted.")

    @model_validator(mode="after")
    def _belong(self) -> Self:
        needed = {"environment": "environment", "keys": "key_ids", "before": "before"}
        allowed = {"environment", "key_ids", "before"} if self.scope == "before" else set()
        if name := needed.get(self.scope):
            if getattr(self, name) is None:
                raise ValueError(f"the scope `{self.scope}` requires `{name}`")
            allowed.add(name)
        for name in needed.values():
            if name not in allowed and getattr(self, name) is not None:
                raise ValueError(f"`{name}` does not belong to the scope `{self.scope}`")
        return self

    @property
    def keys(self) -> list[UUID]:
        """The keys, each once and in order."""
        return sorted(set(self.key_ids or ()))


class DeletionPreview(Document):
    """What a deletion would delete now, and what it would keep."""

    counts: Annotated[KindCounts, Field(examples=[EXAMPLE_COUNTS])]
    exact: Exact
    kept: Annotated[KeptPositions, Field(examples=[{"positions": 2}])]
