"""Trading assets as people see them on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botkeys.commands.output import facts, pick, table

if TYPE_CHECKING:
    from rich.console import Console

Json = Mapping[str, Any]


def assets(console: "Console", items: Sequence[Json]) -> None:
    rows = [
        (
            *(pick(item, name) for name in ("symbol", "enabled", "leverage", "margin_mode")),
            pick(item, "open_positions"),
            _blocked(item),
        )
        for item in items
    ]
    columns = ("symbol", "enabled", "leverage", "margin", "open positions", "blocked by")
    table(console, columns, rows, "There are no assets. `botkeys assets add` adds one.")


def asset(console: "Console", item: Json) -> None:
    facts(
        console,
        {
            "symbol": pick(item, "symbol"),
            "enabled": pick(item, "enabled"),
            "leverage": pick(item, "leverage"),
            "at most": pick(item, "max_leverage"),
            "margin mode": pick(item, "margin_mode"),
            "settled in": pick(item, "settle"),
            "open positions": pick(item, "open_positions"),
            "opens nothing because of": _blocked(item),
        },
    )


def instruments(console: "Console", items: Sequence[Json]) -> None:
    names = ("symbol", "settle", "max_leverage", "price", "volume_24h", "added")
    rows = [tuple(pick(item, name) for name in names) for item in items]
    columns = ("symbol", "settled in", "leverage up to", "price", "volume in 24 h", "added")
    table(console, columns, rows, "There is no such instrument.")


def _blocked(item: Json) -> str:
    return ", ".join(str(reason) for reason in pick(item, "blocked_by") or ())
