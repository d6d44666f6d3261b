"""Rows of trading data, counted by kind."""

from app.schemas import Document


class KindCounts(Document):
    """Rows by kind."""

    trades: int
    positions: int
    equity_snapshots: int
    signals: int
    bot_events: int
