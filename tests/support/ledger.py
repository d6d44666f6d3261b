"""Random trading and its results, computed plainly with fractions, one trade at a time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import new_id
from app.db.models import Account, DeletionMark, EquitySnapshot, Funding, Trade
from app.domains.analytics.grouping import Grouping
from app.domains.analytics.rollups import mark_stale, utc_days
from app.domains.analytics.selection import Selection
from app.domains.trading.marks import FOREVER, Mark, covers
from botkeys.decimals import plain

START = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = [UUID(int=number) for number in (11, 12, 13)]
BOTS = [UUID(int=number) for number in (21, 22)]
SYMBOLS = ["BTCUSDT", "PF_XBTUSD"]
ENVIRONMENTS = ["live", "testnet"]
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Deal:
    """A trade; `settle` and `pnl` are stored as `None` if the contract is unknown. An imported one
    may not know when it was `opened`. A `payment` is funding: `pnl` is its amount. `others` are
    fees in other assets.
    """

    environment: str
    key: UUID
    bot: UUID
    symbol: str
    settle: str | None
    pnl: Decimal
    fees: Decimal
    opened: datetime | None
    at: datetime
    payment: bool = False
    others: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A snapshot; `name` decides between snapshots of the same moment."""

    environment: str
    key: UUID
    bot: UUID
    settle: str
    equity: Decimal
    reset: bool
    at: datetime
    name: str = field(default_factory=lambda: uuid4().hex)


# A few minutes on a few days, so that equal times, midnights and their neighbours occur.
_MOMENTS = st.builds(
    lambda day, offset: START + timedelta(days=day) + offset,
    st.integers(0, 4),
    st.sampled_from(
        [
            timedelta(0),
            timedelta(microseconds=1),
            timedelta(hours=9),
            timedelta(hours=9, minutes=30),
            timedelta(hours=22, microseconds=7),
            timedelta(days=1) - timedelta(microseconds=1),
        ]
    ),
)
MOMENTS = _MOMENTS
_AMOUNTS = st.one_of(
    st.integers(-3, 3).map(Decimal), st.decimals(-100, 100, places=18, allow_nan=False)
)


def _deal(at: datetime, held: timedelta | None, *, payment: bool, **rest: Any) -> Deal:
    deal = Deal(at=at, opened=None if held is None else at - held, **rest)
    if not payment:
        return deal
    settle = deal.settle or "USDT"
    return replace(deal, settle=settle, fees=Decimal(0), others=None, opened=None, payment=True)


DEALS = st.builds(
    _deal,
    at=_MOMENTS,
    held=st.sampled_from([timedelta(0), timedelta(microseconds=3), timedelta(hours=30), None]),
    environment=st.sampled_from(["live", "live", "live", "testnet"]),
    key=st.sampled_from(KEYS),
    bot=st.sampled_from(BOTS),
    symbol=st.sampled_from(SYMBOLS),
    settle=st.sampled_from(["USDT", "USDT", "BTC", None]),
    pnl=_AMOUNTS,
    fees=_AMOUNTS,
    others=st.sampled_from([None, None, {"BNB": "0.25"}, {"BNB": "-0.1", "KCS": "3.07"}]),
    payment=st.sampled_from([False, False, True]),
)
LOOKS = st.builds(
    Look,
    environment=st.sampled_from(["live", "live", "live", "testnet"]),
    key=st.sampled_from(KEYS),
    bot=st.sampled_from(BOTS),
    settle=st.sampled_from(["USDT", "BTC"]),
    equity=_AMOUNTS.map(lambda amount: amount + 90),
    reset=st.sampled_from([False, False, False, True]),
    at=_MOMENTS,
)
MARKS = st.builds(
    Mark,
    st.sampled_from([*ENVIRONMENTS, None]),
    st.sampled_from([*KEYS, None, None]),
    st.one_of(_MOMENTS, st.just(START), st.just(FOREVER)),
).filter(lambda mark: mark.key_id is not None or mark.cutoff != FOREVER)
SELECTIONS = st.builds(
    Selection,
    st.just("live"),
    key_id=st.sampled_from([None, None, *KEYS]),
    bot_id=st.sampled_from([None, None, *BOTS]),
    symbols=st.sampled_from([(), (), *((symbol,) for symbol in SYMBOLS), tuple(SYMBOLS)]),
    since=st.one_of(st.none(), _MOMENTS),
    until=st.one_of(st.none(), _MOMENTS),
)


async def add_account(session: AsyncSession) -> UUID:
    account = uuid4()
    await session.execute(
        insert(Account).values(account_id=account, issuer="test", subject=str(account))
    )
    return account


async def add_deals(session: AsyncSession, account: UUID, deals: Iterable[Deal]) -> None:
    """Add trades and funding and mark their days as stale, as ingest does."""
    for deal in deals:
        await mark_stale(session, account, deal.environment, utc_days([deal.at]))
        if deal.payment:
            await _add_payment(session, account, deal)
            continue
        known = deal.settle is not None
        await session.execute(
            insert(Trade).values(
                account_id=account,
                bot_id=deal.bot,
                id=uuid4().hex,
                key_id=deal.key,
                exchange="okx",
                environment=deal.environment,
                contract_type="linear",
                symbol=deal.symbol,
                side="long",
                quantity=1,
                entry_price=1,
                exit_price=1,
                fees=deal.fees,
                other_fees=deal.others,
                contract_size=1 if known else None,
                settle=deal.settle,
                pnl=deal.pnl if known else None,
                opened_at=deal.opened,
                closed_at=deal.at,
                import_id=uuid4() if deal.opened is None else None,
            )
        )


async def _add_payment(session: AsyncSession, account: UUID, deal: Deal) -> None:
    await session.execute(
        insert(Funding).values(
            account_id=account,
            bot_id=deal.bot,
            id=uuid4().hex,
            key_id=deal.key,
            exchange="okx",
            environment=deal.environment,
            contract_type="linear",
            symbol=deal.symbol,
            amount=deal.pnl,
            settle=deal.settle,
            at=deal.at,
        )
    )


async def add_looks(session: AsyncSession, account: UUID, looks: Iterable[Look]) -> None:
    for look in looks:
        await session.execute(
            insert(EquitySnapshot).values(
                account_id=account,
                bot_id=look.bot,
                id=look.name,
                key_id=look.key,
                exchange="okx",
                environment=look.environment,
                contract_type="linear",
                at=look.at,
                equity=look.equity,
                settle=look.settle,
                reset=look.reset,
            )
        )


async def add_mark(session: AsyncSession, account: UUID, mark: Mark) -> None:
    session.add(
        DeletionMark(
            account_id=account,
            id=new_id(),
            environment=mark.environment,
            key_id=mark.key_id,
            cutoff=mark.cutoff,
        )
    )
    await session.flush()


def seen(
    rows: Sequence[Any], selection: Selection, marks: Sequence[Mark], *, timed: bool = True
) -> list[Any]:
    """Return the rows of a selection that no mark covers, in order of time."""
    return sorted(
        (
            row
            for row in rows
            if row.environment == selection.environment
            and selection.key_id in (None, row.key)
            and selection.bot_id in (None, row.bot)
            and (isinstance(row, Look) or not selection.symbols or row.symbol in selection.symbols)
            and (not timed or selection.since is None or row.at >= selection.since)
            and (not timed or selection.until is None or row.at < selection.until)
            and not any(covers(mark, row.environment, row.key, row.at) for mark in marks)
        ),
        key=lambda row: row.at,
    )


def drawdown(
    deals: Sequence[Deal], resets: Iterable[datetime]
) -> tuple[Fraction, datetime | None, datetime | None]:
    """Return the largest fall, its peak and its trough, comparing every point with all
    before it.
    """
    begins = sorted(set(resets))
    best: tuple[Fraction, datetime | None, datetime | None] = (ZERO, None, None)
    bounds: list[datetime | None] = [None, *begins, None]
    for begin, end in pairwise(bounds):
        curve: list[tuple[Fraction, datetime | None]] = [(ZERO, None)]
        times = sorted(
            {d.at for d in deals if (not begin or d.at >= begin) and (not end or d.at < end)}
        )
        for at in times:
            step = sum((Fraction(d.pnl) for d in deals if d.at == at), ZERO)
            curve.append((curve[-1][0] + step, at))
        for here, (value, trough) in enumerate(curve):
            top = max(point for point, _ in curve[: here + 1])
            if top - value > best[0]:
                best = (top - value, next(t for p, t in curve if p == top), trough)
    return best


def held_in(deal: Deal) -> Fraction:
    """Return the seconds that a trade is known to have been open."""
    held = timedelta(0) if deal.opened is None else deal.at - deal.opened
    return Fraction(held // timedelta(microseconds=1)) / 10**6


def sums(
    deals: Sequence[Deal],
    looks: Sequence[Look],
    group: Callable[[Deal], str],
    concerns: Callable[[Look, str], bool],
) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return by group and settle asset what `Sums` contains, in its order up to `trough_at`."""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for name, settle in {(group(deal), deal.settle or "") for deal in deals}:
        some = [d for d in deals if (group(d), d.settle or "") == (name, settle)]
        pnls = [Fraction(d.pnl) if settle else ZERO for d in some if not d.payment]
        paid = sum((Fraction(d.pnl) for d in some if d.payment), ZERO)
        resets = [k.at for k in looks if k.reset and k.settle == settle and concerns(k, name)]
        found[name, settle] = (
            len(pnls),
            sum(pnl > 0 for pnl in pnls),
            sum(pnl < 0 for pnl in pnls),
            sum(pnls, ZERO) + paid,
            paid,
            sum((pnl for pnl in pnls if pnl > 0), ZERO),
            sum((-pnl for pnl in pnls if pnl < 0), ZERO),
            sum((Fraction(d.fees) for d in some if settle), ZERO),
            sum((held_in(d) for d in some), ZERO),
            sum(d.opened is None and not d.payment for d in some),
            other_fees(some) if settle else None,
            min((d.opened for d in some if d.opened is not None), default=None),
            min(d.at for d in some),
            max(d.at for d in some),
            *(drawdown(some, resets) if settle else (ZERO, None, None)),
        )
    return found


def other_fees(deals: Sequence[Deal]) -> dict[str, str] | None:
    """Return the sums of the fees in other assets, in plain digits; `None` if there are none."""
    assets = {asset for deal in deals for asset in deal.others or {}}
    return {
        asset: plain(sum((Decimal((d.others or {}).get(asset, "0")) for d in deals), Decimal(0)))
        for asset in assets
    } or None


def group_of(grouping: Grouping) -> Callable[[Deal], str]:
    if grouping.kind == "key":
        return lambda deal: str(deal.key)
    if grouping.kind == "bot":
        return lambda deal: str(deal.bot)
    if grouping.kind == "symbol":
        return lambda deal: deal.symbol
    if grouping.kind is None:
        return lambda _: ""
    return lambda deal: str(sum(bound <= deal.at for bound in grouping.bounds))


def equity_at(looks: Sequence[Look], settle: str, at: datetime) -> Fraction | None:
    """Return the sum of each key's last known equity at this time."""
    last: dict[UUID, Look] = {}
    for look in sorted(looks, key=lambda k: (k.at, k.bot, k.name)):
        if look.settle == settle and look.at <= at:
            last[look.key] = look
    return sum((Fraction(look.equity) for look in last.values()), ZERO) if last else None
