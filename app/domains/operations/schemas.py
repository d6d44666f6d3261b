"""Operations, which delete or import, as the API shows them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from typing_extensions import TypeAliasType

from app.api.schemas import DecimalText, Document, NextCursor
from app.domains.trading.counts import EXAMPLE_COUNTS, DeletedRows
from botkeys.exchanges.model import Environment

OperationKind = TypeAliasType(
    "OperationKind",
    Annotated[
        Literal["delete_key_data", "delete_data", "close_account", "import_trades"],
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
        Literal[
            "counted",
            "trades",
            "funding",
            "positions",
            "equity_snapshots",
            "signals",
            "bot_events",
            "receiving",
            "received",
            "checked",
            "rejected",
            "undoing",
        ],
        Field(description="How far an operation has come."),
    ],
)


class KeptPositions(Document):
    """Positions that are open or being opened, and therefore kept."""

    positions: int


class OperationScope(Document):
    """What the operation deletes, or what it imports, as requested."""

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
    format: Annotated[
        str | None, Field(examples=[None], description="Of an import: who wrote the file.")
    ] = None
    bot_id: Annotated[
        UUID | None, Field(examples=[None], description="Of an import: the bot it was asked for.")
    ] = None
    on_error: Annotated[
        str | None,
        Field(examples=[None], description="Of an import: what a refused row leads to."),
    ] = None
    dry_run: Annotated[
        bool | None, Field(examples=[None], description="Of an import: whether it stores nothing.")
    ] = None


AmountsByAsset = TypeAliasType(
    "AmountsByAsset",
    Annotated[
        dict[str, DecimalText],
        Field(description="Amounts, by asset.", examples=[{"BNB": "0.0021"}]),
    ],
)


class ImportedSums(Document):
    """Sums of the rows that an import stored, in one settle asset."""

    trades: int
    pnl: DecimalText
    fees: DecimalText
    other_fees: Annotated[
        AmountsByAsset | None,
        Field(
            examples=[{"BNB": "0.0021"}],
            description="What these trades were charged in other assets; omitted if nothing.",
        ),
    ] = None
    funding: Annotated[
        DecimalText | None,
        Field(examples=["-1.25"], description="Funding payments; omitted if there are none."),
    ] = None


RefusedCounts = TypeAliasType(
    "RefusedCounts",
    Annotated[
        dict[str, int],
        Field(description="Rows that were refused, by code.", examples=[{"invalid_item": 1}]),
    ],
)
SumsByAsset = TypeAliasType(
    "SumsByAsset",
    Annotated[
        dict[str, ImportedSums],
        Field(
            description="Sums of the rows that were stored, by settle asset. Rows without P&L are "
            "in none.",
            examples=[{"USDT": {"trades": 2, "pnl": "542.5", "fees": "1.25"}}],
        ),
    ],
)


class ImportedRows(Document):
    """What became of the rows of a file. After a dry run: what would have become of them."""

    read: Annotated[int, Field(description="Rows of the file.")]
    stored: int
    duplicate: Annotated[
        int, Field(description="Rows that were stored before, or are repeated in the file.")
    ]
    repeated: Annotated[int, Field(description="How many of these are repeated in the file.")]
    skipped: Annotated[
        int, Field(description="Sound rows that are stored as nothing, for example open trades.")
    ]
    refused: RefusedCounts
    sums: SumsByAsset


class OperationReceipt(Document):
    """What was deleted so far, counted by kind, and what was kept; or what was imported."""

    deleted: Annotated[
        DeletedRows | None,
        Field(examples=[{**EXAMPLE_COUNTS, "keys": 1}], description="Omitted by an import."),
    ] = None
    kept: Annotated[KeptPositions | None, Field(description="Omitted if nothing is kept.")] = None
    imported: Annotated[
        ImportedRows | None, Field(examples=[None], description="Omitted by a deletion.")
    ] = None


class Operation(Document):
    """Long-running work and its progress."""

    id: UUID
    kind: Annotated[OperationKind, Field(examples=["delete_data"])]
    status: Annotated[OperationStatus, Field(examples=["running"])]
    phase: Annotated[
        OperationPhase | None,
        Field(
            description="`counted` once the rows are counted and none is deleted yet; then the "
            "kind of rows deleted most recently. Null before that, and once the operation has "
            "succeeded. Of an import: `receiving` its file, `received`, `checked` (with "
            "`on_error=abort`: no row is refused), `rejected`, or `undoing` what it stored.",
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
            examples=[None],
            description="Of `delete_key_data` and `import_trades`: the key. Null for the others.",
        ),
    ]
    done: Annotated[int, Field(examples=[20000], description="Rows processed so far.")]
    total: Annotated[
        int,
        Field(
            examples=[21323],
            description="Rows to process; it grows while they are counted, and if more are found.",
        ),
    ]
    scope: OperationScope
    receipt: Annotated[
        OperationReceipt | None, Field(description="What was deleted or imported so far.")
    ]
    error: Annotated[
        str | None, Field(examples=[None], description="Why the operation failed, for people.")
    ]
    stalled: Annotated[
        bool,
        Field(
            description="Whether a running operation has made no progress for a minute, or its "
            "worker died and no other has taken over yet."
        ),
    ]
    created_at: datetime
    started_at: Annotated[datetime | None, Field(description="Null until a worker begins.")]
    last_progress_at: Annotated[datetime | None, Field(description="Null until a worker begins.")]
    finished_at: Annotated[
        datetime | None, Field(examples=[None], description="Null until the operation ends.")
    ]


class OperationPage(Document):
    """A page of operations."""

    items: list[Operation]
    next_cursor: NextCursor
