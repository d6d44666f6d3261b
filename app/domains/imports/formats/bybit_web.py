"""Closed P&L as Bybit's website exports it (CSV), in the spellings that it has had so far.

No export states an order, so the id of a row is a digest of all that it says: of equal rows of one
moment, the second has a number. Older ones name the zone of their times, newer ones none, which is
the one that the user chose at Bybit: the import must name it. `Realized P&L` is net of the fees of
opening and closing, and where there is a column of it, of funding.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from app.domains.imports.formats.row import Refusal
from app.domains.ingest.fees import Fee
from app.domains.trading.fees import MOST_ASSETS
from app.kit.exact import added

HEADERS = (
    ("Market", "Order Quantity", "Entry Price", "Exit Price", "Realized P&L"),
    ("Contracts", "Qty", "Entry Price", "Filled Price", "Realized P&L"),
    ("Contracts", "Qty", "Entry Price", "Exit Price", "Closed P&L"),
)
SYMBOLS = ("Market", "Contracts")
_MEMBERS = {
    "Market": "symbol",
    "Contracts": "symbol",
    "Order Quantity": "closedSize",
    "Qty": "closedSize",
    "Entry Price": "avgEntryPrice",
    "Exit Price": "avgExitPrice",
    "Filled Price": "avgExitPrice",
    "Closed P&L": "closedPnl",
    "Realized P&L": "closedPnl",
    "Opening Fee": "openFee",
    "Closing Fee": "closeFee",
}
_FEES_BY_ASSET = ("cumClosedPzOpenFeeInfo", "cumClosedPzTradeFeeInfo")
_AT = re.compile(
    r"(?:trade|filled/settlement) time *(\(UTC(?:(?P<sign>[+-])(?P<hours>[0-9]{1,2})"
    r"(?::?(?P<minutes>[0-9]{2}))?)?\))?",
    re.IGNORECASE,
)
_TIMES = ("%H:%M %Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_MOST_ALIKE = 10_000
_FEES = TypeAdapter(list[Fee])

_TIMELESS = Refusal("invalid_item", "Trade time: the row has none (missing)")
_NO_TIME = Refusal("invalid_item", "Trade time: must be a time like 14:05 2026-11-22 (no_time)")
_ZONELESS = Refusal(
    "invalid_item",
    "Trade time: says no time zone, so name the one set at Bybit in `time_zone` (missing_zone)",
)
_NO_FEES = Refusal("invalid_item", "cumClosedPzOpenFeeInfo: must be amounts by asset (no_fees)")


class WebRow(NamedTuple):
    """A row in the names of Bybit's API. `fees` are by asset, `None` if the row does not say."""

    members: dict[str, Any]
    fees: list[Fee] | None


class WebRows:
    """The rows of one file."""

    def __init__(self, zone: ZoneInfo | None) -> None:
        self._zone = zone
        self._alike: Counter[str] = Counter()
        self._at: datetime | None = None

    def read(self, cells: Mapping[str, Any]) -> WebRow | Refusal:
        at = self._time(cells)
        if isinstance(at, Refusal):
            return at
        fees = _fees(cells)
        if isinstance(fees, Refusal):
            return fees
        members = {_MEMBERS[name]: cell for name, cell in cells.items() if name in _MEMBERS}
        time = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
        order = self._order(at, cells)
        return WebRow({**members, "orderId": order, "updatedTime": time}, fees)

    def _time(self, cells: Mapping[str, Any]) -> datetime | Refusal:
        for name, cell in cells.items():
            named = _AT.fullmatch(name)
            if named is None or not isinstance(cell, str):
                continue
            zone = _zone_of(named) or self._zone
            if zone is None:
                return _ZONELESS
            for form in _TIMES:
                try:
                    return datetime.strptime(cell, form).replace(tzinfo=zone).astimezone(UTC)
                except (ValueError, OverflowError):
                    continue
            return _NO_TIME
        return _TIMELESS

    def _order(self, at: datetime, cells: Mapping[str, Any]) -> str:
        if at != self._at or len(self._alike) >= _MOST_ALIKE:
            self._alike.clear()
            self._at = at
        written = json.dumps(sorted(cells.items()), default=str)
        digest = hashlib.sha256(written.encode()).hexdigest()[:32]
        self._alike[digest] += 1
        number = self._alike[digest]
        return f"web-{digest}" if number == 1 else f"web-{digest}-{number}"


def _zone_of(named: re.Match[str]) -> tzinfo | None:
    if named[1] is None:
        return None
    ahead = timedelta(hours=int(named["hours"] or 0), minutes=int(named["minutes"] or 0))
    if ahead >= timedelta(days=1):
        return None
    return timezone(-ahead if named["sign"] == "-" else ahead)


def _fees(cells: Mapping[str, Any]) -> list[Fee] | Refusal | None:
    """Return the fees of opening and closing by asset; `None` if the row has no such columns."""
    found: dict[str, Fee] = {}
    given = [cells[name] for name in _FEES_BY_ASSET if cells.get(name)]
    for cell in given:
        try:
            amounts = json.loads(cell, parse_float=str)
            of_cell = _FEES.validate_python(
                [{"asset": asset, "amount": amount} for asset, amount in amounts.items()]
            )
        except (ValueError, AttributeError, TypeError, RecursionError, ValidationError):
            return _NO_FEES
        for fee in of_cell:
            former = found.get(fee.asset)
            amount = fee.amount if former is None else added(former.amount, fee.amount)
            found[fee.asset] = Fee(asset=fee.asset, amount=amount)
    if len(found) > MOST_ASSETS:
        return _NO_FEES
    return list(found.values()) if given else None
