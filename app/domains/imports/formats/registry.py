"""The formats by their names, and how a file of each is cut into records."""

from collections.abc import Callable
from typing import NamedTuple

from app.domains.imports.formats import binance, bybit, freqtrade, own
from app.domains.imports.formats.row import Format, Target
from app.domains.imports.records import CsvRecords, JsonRecords, NdjsonRecords, Path, Records

CSV, JSON, NDJSON = "text/csv", "application/json", "application/x-ndjson"
MEDIA_TYPES = (JSON, NDJSON, CSV)


class FormatKind(NamedTuple):
    """A format. `exchange` is the only one whose keys its files belong to; `None` for any.

    `paths` say where a JSON document has its array, if it is none itself. A CSV file must have the
    columns of one of `headers`; without any there is no CSV of this format.
    """

    name: str
    form: Callable[[Target], Format]
    exchange: str | None
    paths: tuple[Path, ...]
    headers: tuple[tuple[str, ...], ...] = ()


FORMATS = {
    kind.name: kind
    for kind in (
        FormatKind("botkeys", own.OwnFormat, None, own.PATHS, (own.COLUMNS,)),
        FormatKind(
            "freqtrade", freqtrade.FreqtradeFormat, None, freqtrade.PATHS, (freqtrade.COLUMNS,)
        ),
        FormatKind("bybit_closed_pnl", bybit.BybitClosedPnl, "bybit", bybit.PATHS, bybit.HEADERS),
        FormatKind("binance_income", binance.BinanceIncome, "binance", binance.PATHS),
        FormatKind("binance_trades", binance.BinanceTrades, "binance", binance.PATHS),
    )
}


def records_of(kind: FormatKind, media_type: str) -> Records | None:
    """Return what cuts a file of this media type; `None` if the format has no such files."""
    if media_type == CSV:
        return CsvRecords(*kind.headers) if kind.headers else None
    return NdjsonRecords() if media_type == NDJSON else JsonRecords(kind.paths)


def media_types(kind: FormatKind) -> tuple[str, ...]:
    return MEDIA_TYPES if kind.headers else (JSON, NDJSON)
