"""Closed P&L of Bybit: the list of `GET /v5/position/closed-pnl`, or what its website exports.

A row is one closing order. P&L is Bybit's own, net of the fees of opening and closing. It says no
time of opening. Its `side` is described as the order's in one place and as the position's in
another, so the side is the one that prices, quantity and P&L agree with, or null.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from app.api.schemas import Symbol
from app.db.models.trading import NOBODY
from app.domains.imports.formats import bybit_web
from app.domains.imports.formats.faults import of_validation
from app.domains.imports.formats.foreign import (
    NO_SETTLE,
    Foreign,
    MaybeAmount,
    MaybePositive,
    Milliseconds,
    Name,
)
from app.domains.imports.formats.row import ImportedTrade, Outcome, Refusal, Target
from app.domains.ingest.fees import Fee, by_asset, in_asset
from app.domains.ingest.pnl import realised_pnl
from app.domains.trading.fields import Amount, Positive
from app.domains.trading.symbols import Listed
from app.kit.exact import added, subtracted
from botkeys.exchanges.model import ContractKind

PATHS = (("result", "list"),)
HEADERS = (("symbol", "orderId", "closedSize", "closedPnl", "updatedTime"), *bybit_web.HEADERS)
_SETTLE_OF_SUFFIX = {"USDT": "USDT", "PERP": "USDC"}
"""How Bybit names linear perpetuals, also those that it has delisted."""


class ClosedPnl(Foreign):
    """The members of a row that have a place here."""

    symbol: Symbol
    orderId: Name  # noqa: N815  # as Bybit spells it, here and below
    closedSize: Positive  # noqa: N815
    avgEntryPrice: MaybePositive = None  # noqa: N815
    avgExitPrice: MaybePositive = None  # noqa: N815
    closedPnl: Amount  # noqa: N815
    openFee: MaybeAmount = None  # noqa: N815
    closeFee: MaybeAmount = None  # noqa: N815
    leverage: MaybePositive = None
    updatedTime: Milliseconds  # noqa: N815


class BybitClosedPnl:
    """Reads closed P&L of Bybit."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._web = bybit_web.WebRows(target.zone)

    def name(self, members: dict[str, Any]) -> str | None:
        names = (members.get(name) for name in ("symbol", *bybit_web.SYMBOLS))
        return next((name for name in names if isinstance(name, str)), None)

    def read(
        self, members: dict[str, Any], listed: Listed | None, *, csv: bool
    ) -> Iterable[Outcome]:
        charged = None
        if csv and "symbol" not in members:
            found = self._web.read(members)
            if isinstance(found, Refusal):
                return [found]
            members, charged = found
        try:
            row = ClosedPnl.model_validate(members)
        except ValidationError as error:
            return [of_validation(error, ClosedPnl)]
        return [self._outcome(row, listed, charged)]

    def end(self) -> Iterable[Outcome]:
        return []

    def _outcome(
        self, row: ClosedPnl, listed: Listed | None, charged: Sequence[Fee] | None
    ) -> Outcome:
        settle = _SETTLE_OF_SUFFIX.get(row.symbol[-4:]) if listed is None else listed.settle
        if settle is None:
            return NO_SETTLE
        kind = ContractKind.LINEAR if listed is None else listed.contract_type
        if charged is None:
            fees, others = added(row.openFee or Decimal(0), row.closeFee or Decimal(0)), None
        else:
            fees, others = in_asset(charged, settle), by_asset(charged, but=settle)
        return ImportedTrade(
            self._target.bot_id or NOBODY,
            # One order may close in several rows, of which each has its own time.
            f"bybit-{row.orderId}-{int(row.updatedTime.timestamp() * 1000)}",
            kind,
            row.symbol if listed is None else listed.symbol,
            _side(row, kind, Decimal(1) if listed is None else listed.size, fees),
            row.closedSize,
            row.avgEntryPrice,
            row.avgExitPrice,
            fees,
            row.leverage,
            None,
            None,
            None,
            settle,
            row.closedPnl,
            None,
            row.updatedTime,
            None,
            others,
        )


def _side(row: ClosedPnl, kind: ContractKind, size: Decimal, fees: Decimal) -> str | None:
    """Return the side whose P&L is nearer to the row's; `None` if both are equally near."""
    if row.avgEntryPrice is None or row.avgExitPrice is None:
        return None
    off = {
        side: subtracted(
            realised_pnl(
                kind,
                side,
                quantity=row.closedSize,
                entry_price=row.avgEntryPrice,
                exit_price=row.avgExitPrice,
                contract_size=size,
                fees=fees,
            ),
            row.closedPnl,
        ).copy_abs()
        for side in ("long", "short")
    }
    return None if off["long"] == off["short"] else min(off, key=lambda side: off[side])
