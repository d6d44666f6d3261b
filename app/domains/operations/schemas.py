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
DeletionScope = TypeAliasType(
    "DeletionScope",
    Annotated[
        Literal["all", "environment", "keys", "before"],
        Field(description="What a deletion covers."),
    ],
)
OperationKind = TypeAliasType(
    "OperationKind",
    Annotated[
        Literal["delete_key_data", "delete_data", "close_account"],
        Field(description="What an operation does."),
    ],
)
OperationStatus = TypeAliasType(
    "OperationStatus",
    Annotated[
        Literal["queued", "running", "succeeded", "failed", "cancelled"],
        Field(description="The state of an operation. The last three are final."),
    ],
)
OperationTarget = TypeAliasType(
    "OperationTarget",
    Annotated[
        Literal["all", "environment", "keys", "before", "key", "account"],
        Field(description="What an operation covers."),
    ],
)
OperationPhase = TypeAliasType(
    "OperationPhase",
    Annotated[
        Literal["counted", "trades", "positions", "equity_snapshots", "signals", "bot_events"],
        Field(description="How far an operation has come."),
    ],
)

_COUNTS = {"trades": 1204, "positions": 88, "equity_snapshots": 20160, "signals": 0}
_COUNTS["bot_events"] = 31


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
        description="Delete only the data of these keys, which may be deleted keys that "
        "have data left.",
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
    """Positions that are open or being opened, and therefore kept."""

    positions: int


class DeletionPreview(Document):
    """What a deletion would delete now, and what it would keep."""

    counts: Annotated[KindCounts, Field(examples=[_COUNTS])]
    kept: Annotated[KeptPositions, Field(examples=[{"positions": 2}])]


class OperationScope(Document):
    """What the operation deletes, as requested."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Annotated[
        OperationTarget,
        Field(examples=["environment"]),
    ]
    environment: Annotated[
        Environment | None,
        Field(
            examples=["testnet"],
            description="Only the data of this environment; omitted if not limited.",
        ),
    ] = None
    key_ids: Annotated[
        list[UUID] | None,
        Field(examples=[None], description="Only the data of these keys; omitted if not limited."),
    ] = None
    before: Annotated[
        datetime | None,
        Field(
            examples=[None],
            description="Only what happened before this time; omitted if not limited.",
        ),
    ] = None


class OperationReceipt(Document):
    """What was deleted so far, counted by kind, and what was kept."""

    deleted: Annotated[DeletedRows, Field(examples=[{**_COUNTS, "keys": 1}])]
    kept: Annotated[KeptPositions | None, Field(description="Omitted if nothing is kept.")] = None


class Operation(Document):
    """Long-running work and its progress."""

    id: UUID
    kind: Annotated[OperationKind, Field(examples=["delete_data"])]
    status: Annotated[OperationStatus, Field(examples=["running"])]
    phase: Annotated[
        OperationPhase | None,
        Field(
            description="`counted` once the rows are counted and none is deleted yet; then "
            "the kind of rows deleted most recently. Null before that, and once "
            "the operation has succeeded.",
            examples=["trades"],
        ),
    ]
    environment: Annotated[
        Environment | None,
        Field(
            examples=["testnet"],
            description="The environment that the operation is limited to; null if it covers both.",
        ),
    ]
    key_id: Annotated[
        UUID | None,
        Field(
            examples=[None], description="Of `delete_key_data`: the key. Null for the other kinds."
        ),
    ]
    done: Annotated[int, Field(examples=[20000], description="Rows processed so far.")]
    total: Annotated[
        int, Field(examples=[21323], description="Rows to process; it grows if more are found.")
    ]
    scope: OperationScope
    receipt: Annotated[OperationReceipt | None, Field(description="What was deleted so far.")]
    error: Annotated[
        str | None, Field(examples=[None], description="Why the operation failed, for people.")
    ]
    stalled: Annotated[
        bool,
        Field(
            description="Whether a running operation has made no progress for a minute, or "
            "its worker died and no other has taken over yet."
        ),
    ]
    created_at: datetime
    started_at: datetime | None
    last_progress_at: datetime | None
    finished_at: Annotated[datetime | None, Field(examples=[None])]


class OperationPage(Document):
    """A page of operations."""

    items: list[Operation]
    next_cursor: NextCursor
