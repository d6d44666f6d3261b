"""What deletions and operations look like from outside."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from app.api.schemas import Document, Flag, Input, NextCursor
from app.domains.trading.counts import DeletedRows, KindCounts
from app.domains.trading.fields import Moment
from botkeys.exchanges.model import Environment

MAX_KEYS = 100
DeletionScope = TypeAliasType("DeletionScope", Literal["all", "environment", "keys", "before"])
OperationKind = TypeAliasType(
    "OperationKind", Literal["delete_key_data", "delete_data", "close_account"]
)
OperationStatus = TypeAliasType(
    "OperationStatus", Literal["queued", "running", "succeeded", "failed", "cancelled"]
)
OperationTarget = TypeAliasType(
    "OperationTarget", Literal["all", "environment", "keys", "before", "key", "account"]
)
OperationPhase = TypeAliasType(
    "OperationPhase",
    Literal["counted", "trades", "positions", "equity_snapshots", "signals", "bot_events"],
)

_COUNTS = {"trades": 1204, "positions": 88, "equity_snapshots": 20160, "signals": 0}
_COUNTS["bot_events"] = 31


class DataDeletion(Input):
    """`all` takes nothing more, `environment` its environment, `keys` its keys. `before` takes a
    time, and with it an environment or keys if no more than theirs is meant: of both, at least one
    key must be of that environment.
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
    environment: Environment | None = None
    key_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_KEYS)] | None = Field(
        None, description="Of keys that are there, or that were deleted and have data left."
    )
    before: Moment | None = Field(None, description="Not in the future.")
    dry_run: Flag = Field(default=False, description="Only count what would be deleted.")

    @model_validator(mode="after")
    def _belong(self) -> Self:
        needed = {"environment": "environment", "keys": "key_ids", "before": "before"}
        allowed = {"environment", "key_ids", "before"} if self.scope == "before" else set()
        if name := needed.get(self.scope):
            if getattr(self, name) is None:
                raise ValueError(f"the scope `{self.scope}` needs `{name}`")
            allowed.add(name)
        for name in needed.values():
            if name not in allowed and getattr(self, name) is not None:
                raise ValueError(f"`{name}` does not belong to the scope `{self.scope}`")
        return self

    @property
    def keys(self) -> list[UUID]:
        """Each once, in order."""
        return sorted(set(self.key_ids or ()))


class KeptPositions(Document):
    """Positions that are open, or being opened, stay."""

    positions: int


class DeletionPreview(Document):
    """What a deletion would delete now, and what it would keep."""

    counts: Annotated[KindCounts, Field(examples=[_COUNTS])]
    kept: Annotated[KeptPositions, Field(examples=[{"positions": 2}])]


class OperationScope(Document):
    """What the operation deletes: as it was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Annotated[
        OperationTarget,
        Field(examples=["environment"]),
    ]
    environment: Annotated[Environment | None, Field(examples=["testnet"])] = None
    key_ids: Annotated[list[UUID] | None, Field(examples=[None])] = None
    before: Annotated[datetime | None, Field(examples=[None])] = None


class OperationReceipt(Document):
    """What was deleted so far. `kept` is missing where nothing is kept."""

    deleted: Annotated[DeletedRows, Field(examples=[{**_COUNTS, "keys": 1}])]
    kept: KeptPositions | None = None


class Operation(Document):
    """Long work. `done` and `total` are rows; `total` grows where there turns out to be more.

    `receipt` counts what was deleted by kind, and what was kept. `stalled`: it is running, and
    nothing was heard of it for a minute, or its worker died and no other has taken it on yet.
    """

    id: UUID
    kind: Annotated[OperationKind, Field(examples=["delete_data"])]
    status: Annotated[OperationStatus, Field(examples=["running"])]
    phase: Annotated[
        OperationPhase | None,
        Field(
            description="`counted`: the rows were counted, and none is deleted yet; from then on "
            "the kind of rows that went last. Null before, and once it has succeeded.",
            examples=["trades"],
        ),
    ]
    environment: Annotated[Environment | None, Field(examples=["testnet"])]
    key_id: Annotated[UUID | None, Field(examples=[None], description="Of `delete_key_data`.")]
    done: Annotated[int, Field(examples=[20000])]
    total: Annotated[int, Field(examples=[21323])]
    scope: OperationScope
    receipt: OperationReceipt | None
    error: Annotated[str | None, Field(examples=[None])]
    stalled: bool
    created_at: datetime
    started_at: datetime | None
    last_progress_at: datetime | None
    finished_at: Annotated[datetime | None, Field(examples=[None])]


class OperationPage(Document):
    items: list[Operation]
    next_cursor: NextCursor
