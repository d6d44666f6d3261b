"""The SQL that adds up trades and funding and computes the largest drawdown, in one pass.

A block sums up one stretch of a curve, computed from 0 at its beginning: the sum `pnl`, the highest
and lowest points `high` and `low` (the beginning counts), and the largest drawdown within. Adjacent
blocks combine into one block. For A followed by B it is

    pnl       pnl A + pnl B
    high      max(high A, pnl A + high B)
    low       min(low A, pnl A + low B)
    drawdown  max(drawdown A, high A - (pnl A + low B), drawdown B)

so precomputed days and single trades combine alike, in any mixture. The drawdown is the maximum
drawdown of Magdon-Ismail and Atiya, "Maximum Drawdown" (Risk 17, 2004): the largest fall of a curve
from a running maximum. Among equal drawdowns the first counts, and among equal peaks the first.
"""

ADDED = (
    "trades",
    "wins",
    "losses",
    "pnl",
    "funding",
    "gross_profit",
    "gross_loss",
    "fees",
    "held",
    "untimed",
    "other_fees",
)
CURVE = ("high", "high_at", "low", "low_at", "drawdown", "peak_at", "trough_at")
COUNTED = ("trades", "wins", "losses", "untimed")
BLOCK = (*ADDED, "first_opened", "first_at", "last_at", *CURVE)
"""The columns of a block, named as in `trade_days`."""


def _sum(name: str) -> str:
    if name == "other_fees":
        return "sum_amounts(other_fees) FILTER (WHERE other_fees IS NOT NULL)"
    return f"sum({name}){'::bigint' if name in COUNTED else ''}"


SUMS = ", ".join(f"{_sum(name)} AS {name}" for name in ADDED)

_OF_TRADES = "FILTER (WHERE funding IS NULL)"
STEPS = f"""
count(*) {_OF_TRADES} AS trades,
count(*) FILTER (WHERE pnl > 0 AND funding IS NULL) AS wins,
count(*) FILTER (WHERE pnl < 0 AND funding IS NULL) AS losses,
coalesce(sum(pnl), 0) AS pnl,
coalesce(sum(funding), 0) AS funding,
coalesce(sum(pnl) FILTER (WHERE pnl > 0 AND funding IS NULL), 0) AS gross_profit,
coalesce(-sum(pnl) FILTER (WHERE pnl < 0 AND funding IS NULL), 0) AS gross_loss,
coalesce(sum(trades.fees) FILTER (WHERE pnl IS NOT NULL), 0) AS fees,
coalesce(sum(extract(epoch FROM trades.closed_at - trades.opened_at)), 0) AS held,
count(*) FILTER (WHERE trades.opened_at IS NULL AND funding IS NULL) AS untimed,
sum_amounts(trades.other_fees) FILTER (WHERE pnl IS NOT NULL AND trades.other_fees IS NOT NULL)
    AS other_fees,
min(trades.opened_at) AS first_opened,
trades.closed_at AS first_at,
trades.closed_at AS last_at,
greatest(coalesce(sum(pnl), 0), 0) AS high,
CASE WHEN sum(pnl) > 0 THEN trades.closed_at END AS high_at,
least(coalesce(sum(pnl), 0), 0) AS low,
CASE WHEN sum(pnl) < 0 THEN trades.closed_at END AS low_at,
greatest(-coalesce(sum(pnl), 0), 0) AS drawdown,
CAST(NULL AS timestamptz) AS peak_at,
CASE WHEN sum(pnl) < 0 THEN trades.closed_at END AS trough_at
"""
"""Trades and funding payments as blocks, for a `GROUP BY trades.closed_at`: what happens at the
same moment is one step. `pnl` is net: it includes `funding`.
"""


def folded(source: str, by: str) -> str:
    """Return a query that combines the blocks of the query `source`, in order, for each `by`
    (columns).

    Nested windows compute what precedes a block; each needs the results of the one inside it.
    """
    return f"""
    SELECT {by}, {SUMS},
        min(first_opened) AS first_opened, min(first_at) AS first_at, max(last_at) AS last_at,
        greatest(max(top), 0) AS high, max(higher_at) AS high_at,
        least(min(bottom), 0) AS low, max(lower_at) AS low_at,
        max(fall) AS drawdown,
        CASE WHEN max(fall) > 0 THEN nullif(
            min(coalesce(fall_from, '-infinity')) FILTER (WHERE fall = worst), '-infinity'
        ) END AS peak_at,
        CASE WHEN max(fall) > 0 THEN min(fall_to) FILTER (WHERE fall = worst) END AS trough_at
    FROM (
      SELECT *, max(fall) OVER (PARTITION BY {by}) AS worst
      FROM (
        SELECT *,
          CASE WHEN drawdown > ceiling - bottom THEN drawdown ELSE ceiling - bottom END AS fall,
          CASE WHEN drawdown > ceiling - bottom THEN peak_at ELSE ceiling_at END AS fall_from,
          CASE WHEN drawdown > ceiling - bottom THEN trough_at ELSE low_at END AS fall_to
        FROM (
          SELECT *, max(higher_at) OVER before AS ceiling_at
          FROM (
            SELECT *,
              CASE WHEN top > ceiling THEN high_at END AS higher_at,
              CASE WHEN bottom < bed THEN low_at END AS lower_at
            FROM (
              SELECT *,
                greatest(max(top) OVER before, 0) AS ceiling,
                least(min(bottom) OVER before, 0) AS bed
              FROM (
                SELECT *,
                  coalesce(sum(pnl) OVER before, 0) + high AS top,
                  coalesce(sum(pnl) OVER before, 0) + low AS bottom
                FROM ({source}) AS blocks
                WINDOW before AS (PARTITION BY {by} ORDER BY first_at
                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
              ) AS placed
              WINDOW before AS (PARTITION BY {by} ORDER BY first_at
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            ) AS bounded
          ) AS recorded
          WINDOW before AS (PARTITION BY {by} ORDER BY first_at
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS dated
      ) AS fallen
    ) AS compared
    GROUP BY {by}
    """  # noqa: S608  # built from constants only
