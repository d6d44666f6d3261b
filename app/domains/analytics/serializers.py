"""Turns summaries and curves into the documents that the API shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from app.db.models.trading import NOBODY
from app.domains.analytics import formulas
from app.domains.analytics.equity_curve_repository import Point
from app.domains.analytics.grouping import PERIODS, Grouping
from app.domains.analytics.repository import Sums
from app.domains.analytics.selection import Selection
from app.domains.trading import fees
from app.kit.exact import subtracted


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one group. `equity` is the selection's equity at the peak of the largest
    drawdown, if known.
    """

    sums: Sums
    equity: Decimal | None
    selection: Selection
    grouping: Grouping

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return the group's part of the requested period."""
        since, until = self.selection.since, self.selection.until
        if self.grouping.kind in PERIODS:
            number, bounds = int(self.sums.member), self.grouping.bounds
            begin, end = bounds[number - 1], bounds[number]
            since = begin if since is None else max(since, begin)
            until = end if until is None else min(until, end)
        return since, until


def figures_document(figures: Figures, names: Mapping[UUID, str]) -> dict[str, Any]:
    """Return the figures; averages and ratios follow `app.domains.analytics.formulas`."""
    sums = figures.sums
    asked_since, asked_until = figures.period
    since, until = asked_since or _first(sums), asked_until or sums.last_at
    places = formulas.AMOUNT_PLACES
    return {
        **_group(figures, names),
        "settle": sums.settle,
        "trades": sums.trades,
        "realised_pnl": subtracted(sums.pnl, sums.funding),
        "funding": sums.funding,
        "net_pnl": sums.pnl,
        "fees": sums.fees,
        "other_fees": fees.listed(sums.other_fees),
        "gross_profit": sums.gross_profit,
        "gross_loss": sums.gross_loss,
        "win_rate": formulas.divided(sums.wins, sums.trades, formulas.RATIO_PLACES),
        "profit_factor": formulas.divided(
            sums.gross_profit, sums.gross_loss, formulas.RATIO_PLACES
        ),
        "average_win": formulas.divided(sums.gross_profit, sums.wins, places),
        "average_loss": formulas.divided(sums.gross_loss, sums.losses, places),
        "largest_drawdown": _drawdown(figures),
        "exposure": formulas.exposure(sums.held, since, until),
        "trades_without_opening": sums.untimed,
        "trades_per_day": formulas.per_day(sums.trades, since, until),
    }


def _first(sums: Sums) -> datetime:
    """Return the first time known of the trades: an opening, or else the first closing."""
    return sums.first_at if sums.first_opened is None else min(sums.first_opened, sums.first_at)


def _group(figures: Figures, names: Mapping[UUID, str]) -> dict[str, Any]:
    kind, member = figures.grouping.kind, figures.sums.member
    group: dict[str, Any] = {"key": None, "bot": None, "symbol": None, "period": None}
    if kind == "key":
        group["key"] = {"id": member, "label": names.get(UUID(member))}
    elif kind == "bot":
        if UUID(member) != NOBODY:
            group["bot"] = {"id": member, "name": names.get(UUID(member))}
    elif kind == "symbol":
        group["symbol"] = member
    elif kind in PERIODS:
        since, until = figures.period
        group["period"] = {"from": since, "to": until}
    return group


def _drawdown(figures: Figures) -> dict[str, Any] | None:
    sums = figures.sums
    if not sums.drawdown:
        return None
    return {
        "value": sums.drawdown,
        "percent": formulas.percent(sums.drawdown, figures.equity),
        "peak_at": sums.peak_at,
        "trough_at": sums.trough_at,
    }


def curve_documents(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return one curve for each settle asset; the points must be ordered by settle asset."""
    return [
        {
            "settle": settle,
            "points": [
                {
                    "at": point.at,
                    "equity": point.equity,
                    "realised_pnl_cumulative": subtracted(point.net_pnl, point.funding),
                    "funding_cumulative": point.funding,
                    "net_pnl_cumulative": point.net_pnl,
                    "reset": point.reset,
                }
                for point in of_settle
            ],
        }
        for settle, of_settle in groupby(points, key=lambda point: point.settle)
    ]
