"""How exchanges write numbers, times and the delivery days of dated contracts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal


def number(value: Decimal) -> int | float:
    """Return a JSON number: integers without a point, small numbers with an exponent (`1e-10`)."""
    return int(value) if value == value.to_integral_value() else float(value)


def iso(ms: int, timespec: str = "milliseconds") -> str:
    """Return a time such as `2026-11-22T08:00:00.000Z`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def quarter_end(after: date, quarters: int) -> date:
    """Return the last Friday of a quarter's last month, when dated contracts are delivered."""
    month = (after.month - 1) // 3 * 3 + 3 + 3 * quarters
    year, month = after.year + month // 12, month % 12 + 1
    last = date(year, month, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - 4) % 7)


def delivery_ms(day: date, hour: int = 8) -> int:
    """Return a full hour UTC on `day` in milliseconds since 1970."""
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp() * 1000)
