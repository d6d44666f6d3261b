"""Analytics as the API shows them. Amounts are in the settle asset, and exact."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.api.schemas import DecimalText, Document, NextCursor
from app.domains.analytics.grouping import GroupBy
from app.domains.trading.fees import AssetAmount
from botkeys.exchanges.model import Environment

Amount = Annotated[DecimalText, Field(examples=["1250.75"])]
Ratio = Annotated[DecimalText, Field(examples=["0.625"])]


class GroupKey(Document):
    """The key of a group. `label` is null if nothing is known about the key any more."""

    id: UUID
    label: Annotated[str | None, Field(examples=["OKX paper"])]


class GroupBot(Document):
    """The bot of a group. `name` is null once the bot is deleted."""

    id: UUID
    name: Annotated[str | None, Field(examples=["Grid BTC"])]


class SummaryPeriod(Document):
    """A day, week or month in the account's time zone, clipped to the requested period."""

    from_: Annotated[datetime, Field(alias="from", description="The start, inclusive.")]
    to: Annotated[datetime, Field(description="The end, exclusive.")]


class Drawdown(Document):
    """The largest fall of the cumulative P&L, net of fees and funding, from a running maximum."""

    value: Annotated[Amount, Field(examples=["320.5"], description="The size of the fall.")]
    percent: Annotated[
        DecimalText | None,
        Field(
            examples=["4.25"],
            description="The fall as a percentage of the equity at the peak; null if no equity is "
            "known.",
        ),
    ]
    peak_at: Annotated[
        datetime | None,
        Field(description="When the fall began; null if the P&L fell from the start."),
    ]
    trough_at: Annotated[datetime, Field(description="When the P&L was lowest.")]


class SummaryFigures(Document):
    """Figures of the trades that closed in the period and settle in one asset.

    A trade whose P&L is 0 counts as neither a win nor a loss. A figure that would divide by zero is
    null. Ratios have up to 6 decimal places, averages up to 18, percentages up to 4.
    """

    key: Annotated[
        GroupKey | None, Field(description="The key of the group; null unless grouped by key.")
    ]
    bot: Annotated[
        GroupBot | None,
        Field(
            examples=[None],
            description="The bot of the group; null unless grouped by bot, and for imported trades "
            "that belong to no bot.",
        ),
    ]
    symbol: Annotated[
        str | None,
        Field(
            examples=[None], description="The symbol of the group; null unless grouped by symbol."
        ),
    ]
    period: Annotated[
        SummaryPeriod | None,
        Field(
            examples=[None],
            description="The period of the group; null unless grouped by day, week or month.",
        ),
    ]
    settle: Annotated[
        str,
        Field(
            examples=["USDT"],
            description="The asset that the trades settle in, and all amounts but `other_fees`.",
        ),
    ]
    trades: Annotated[int, Field(examples=[16], description="The number of trades.")]
    realised_pnl: Annotated[Amount, Field(description="Realised P&L, net of `fees`.")]
    funding: Annotated[
        Amount, Field(examples=["-12.5"], description="Funding received, negative if paid.")
    ]
    net_pnl: Annotated[
        Amount, Field(description="`realised_pnl` and `funding`; what the drawdown is of.")
    ]
    fees: Annotated[Amount, Field(description="In `settle`: positive if paid, negative if earned.")]
    other_fees: Annotated[
        list[AssetAmount],
        Field(
            examples=[[]],
            description="What these trades were charged in other assets, in their order. It is "
            "never converted, and is in no other figure.",
        ),
    ]
    gross_profit: Annotated[Amount, Field(description="The sum of all wins.")]
    gross_loss: Annotated[Amount, Field(description="The sum of all losses, as a positive number.")]
    win_rate: Annotated[Ratio, Field(description="Wins divided by trades.")]
    profit_factor: Annotated[
        Ratio | None, Field(description="`gross_profit` divided by `gross_loss`.")
    ]
    average_win: Annotated[Amount | None, Field(description="`gross_profit` divided by wins.")]
    average_loss: Annotated[
        Amount | None, Field(description="`gross_loss` divided by losses: a positive number.")
    ]
    largest_drawdown: Annotated[
        Drawdown | None, Field(description="Null if the cumulative P&L never fell.")
    ]
    exposure: Annotated[
        Ratio | None,
        Field(
            description="The holding time of the trades that closed in the period, divided by the "
            "length of the period. It exceeds the average number of open positions if trades were "
            "opened before the period. Trades whose opening is not known are left out."
        ),
    ]
    trades_without_opening: Annotated[
        int,
        Field(
            examples=[0],
            description="Imported trades whose opening is not known: they count in everything but "
            "`exposure`.",
        ),
    ]
    trades_per_day: Annotated[
        Ratio | None, Field(description="Trades divided by the length of the period in days.")
    ]


class Summary(Document):
    """A page of figures: one item per settle asset, or one per group and settle asset."""

    environment: Annotated[
        Environment, Field(description="The environment that the data belong to.")
    ]
    from_: Annotated[
        datetime | None,
        Field(alias="from", description="The requested start; null if the period has none."),
    ]
    to: Annotated[
        datetime | None,
        Field(description="The requested end, exclusive; null if the period has none."),
    ]
    group_by: Annotated[GroupBy | None, Field(examples=["key"])]
    trades_without_pnl: Annotated[
        int,
        Field(
            examples=[0],
            description="Trades whose contract is unknown, so that they have no P&L and are in no "
            "item; when grouped, those of the groups on this page.",
        ),
    ]
    items: list[SummaryFigures]
    next_cursor: NextCursor


class EquityPoint(Document):
    """Equity and cumulative realised P&L at one moment."""

    at: datetime
    equity: Annotated[
        Amount | None,
        Field(
            description="The sum of the latest known equity of each key; null before any is known."
        ),
    ]
    realised_pnl_cumulative: Annotated[
        Amount, Field(description="Realised P&L since the start of the period.")
    ]
    funding_cumulative: Annotated[
        Amount, Field(description="Funding since the start of the period, negative if paid.")
    ]
    net_pnl_cumulative: Annotated[
        Amount, Field(description="Realised P&L and funding since the start of the period.")
    ]
    reset: Annotated[
        bool, Field(description="Whether test funds were claimed again since the previous point.")
    ]


class EquitySeries(Document):
    """The points of one settle asset, oldest first."""

    settle: Annotated[
        str,
        Field(examples=["USDT"], description="The asset that all amounts of the series are in."),
    ]
    points: list[EquityPoint]


class EquityCurve(Document):
    """One series per settle asset."""

    environment: Annotated[
        Environment, Field(description="The environment that the data belong to.")
    ]
    from_: Annotated[
        datetime | None,
        Field(alias="from", description="The requested start; null if the period has none."),
    ]
    to: Annotated[
        datetime | None,
        Field(description="The requested end, exclusive; null if the period has none."),
    ]
    items: list[EquitySeries]
    next_cursor: Annotated[
        str | None, Field(description="Always null: the list is complete.", examples=[None])
    ]
