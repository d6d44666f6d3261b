"""What analytics look like from outside. Amounts are in the settle asset, and exact."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas import Document, NextCursor
from app.domains.analytics.grouping import GroupBy
from botkeys.exchanges.model import Environment

Amount = Annotated[str, Field(examples=["1250.75"])]
Ratio = Annotated[str, Field(examples=["0.625"])]


class GroupKey(Document):
    """`label` is null where nothing is known of the key any more."""

    id: UUID
    label: Annotated[str | None, Field(examples=["OKX paper"])]


class GroupBot(Document):
    """`name` is null once the bot is deleted."""

    id: UUID
    name: Annotated[str | None, Field(examples=["Grid BTC"])]


class SummaryPeriod(Document):
    """A day, week or month in the account's time zone, or the part of it that was asked for."""

    from_: Annotated[datetime, Field(alias="from")]
    to: datetime


class Drawdown(Document):
    """The largest fall of the cumulative realised P&L from a running maximum.

    `peak_at` is null where it fell from the beginning. `percent` is of the equity at the peak, and
    null where no equity is known.
    """

    value: Annotated[Amount, Field(examples=["320.5"])]
    percent: Annotated[str | None, Field(examples=["4.25"])]
    peak_at: datetime | None
    trough_at: datetime


class SummaryFigures(Document):
    """Trades that closed in the period and settle in one asset.

    `realised_pnl` is net of `fees`. Gross and average loss are positive. A trade whose P&L is 0 is
    neither won nor lost. `exposure` is the holding time of the trades closed in the period, divided
    by its length: above the average number of open positions where trades were opened before the
    period. What there is nothing to divide by for is null. Ratios have up to 6 places, averages 18,
    per cent 4.
    """

    key: GroupKey | None
    bot: Annotated[GroupBot | None, Field(examples=[None])]
    symbol: Annotated[str | None, Field(examples=[None])]
    period: Annotated[SummaryPeriod | None, Field(examples=[None])]
    settle: Annotated[str, Field(examples=["USDT"])]
    trades: Annotated[int, Field(examples=[16])]
    realised_pnl: Amount
    fees: Amount
    gross_profit: Amount
    gross_loss: Amount
    win_rate: Ratio
    profit_factor: Ratio | None
    average_win: Amount | None
    average_loss: Amount | None
    largest_drawdown: Drawdown | None
    exposure: Ratio | None
    trades_per_day: Ratio | None


class Summary(Document):
    """One item for each settle asset, or for each group and settle asset.

    `trades_without_pnl` are trades of contracts that nobody knew, in no item; of the groups of this
    page. `from` and `to` are as asked: null is all time.
    """

    environment: Environment
    from_: Annotated[datetime | None, Field(alias="from")]
    to: datetime | None
    group_by: Annotated[GroupBy | None, Field(examples=["key"])]
    trades_without_pnl: Annotated[int, Field(examples=[0])]
    items: list[SummaryFigures]
    next_cursor: NextCursor


class EquityPoint(Document):
    """How it stood at `at`. `equity` is the sum over keys of what was last known of each, and null
    before anything was; `reset`: test funds were claimed anew since the point before.
    """

    at: datetime
    equity: Amount | None
    realised_pnl_cumulative: Amount
    reset: bool


class EquitySeries(Document):
    settle: Annotated[str, Field(examples=["USDT"])]
    points: list[EquityPoint]


class EquityCurve(Document):
    environment: Environment
    from_: Annotated[datetime | None, Field(alias="from")]
    to: datetime | None
    items: list[EquitySeries]
    next_cursor: Annotated[
        str | None, Field(description="Always null: all fit on one page.", examples=[None])
    ]


class BotTotals(Document):
    total: Annotated[int, Field(examples=[3])]
    online: Annotated[int, Field(examples=[2])]


class KeyTotals(Document):
    """`expiring`: within 30 days, or over."""

    total: Annotated[int, Field(examples=[4])]
    active: Annotated[int, Field(examples=[3])]
    expiring: int


class PnlToday(Document):
    settle: Annotated[str, Field(examples=["USDT"])]
    realised_pnl: Amount
    trades: Annotated[int, Field(examples=[12])]


class Dashboard(Document):
    """Bots are counted in all, the rest of the environment. Today began at `today_since`."""

    environment: Environment
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])]
    today_since: datetime
    open_positions: int
    bots: BotTotals
    keys: KeyTotals
    pnl_today: list[PnlToday]
