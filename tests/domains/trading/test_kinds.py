"""What names the kinds of trading data by hand names them all."""

from typing import get_args

import app.db.models  # noqa: F401  # its tables
from app.db.base import Base
from app.domains.operations.schemas import OperationPhase
from app.domains.trading.counts import EXAMPLE_COUNTS, KindCounts
from app.domains.trading.kinds import KINDS

NAMES = [kind.name for kind in KINDS]


def test_every_table_of_what_bots_report_is_a_kind() -> None:
    """A row names the exchange and the bot, since it outlives both."""
    reported = {
        name
        for name, table in Base.metadata.tables.items()
        if {"exchange", "bot_id"} <= set(table.c.keys())
    }
    assert reported == {kind.table.name for kind in KINDS}


def test_previews_count_every_kind() -> None:
    assert list(KindCounts.model_fields) == NAMES
    assert list(EXAMPLE_COUNTS) == NAMES


def test_an_operation_can_be_at_every_kind() -> None:
    phases = get_args(get_args(OperationPhase.__value__)[0])
    assert [phase for phase in phases if phase in NAMES] == NAMES
