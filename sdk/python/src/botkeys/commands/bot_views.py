"""Bots as people see them on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botkeys.commands.output import facts, pick, plain, table, text

if TYPE_CHECKING:
    from rich.console import Console

Json = Mapping[str, Any]


def bots(console: "Console", items: Sequence[Json]) -> None:
    rows = [
        (
            *(pick(item, name) for name in ("id", "name", "online", "paused")),
            pick(item, "key", "label"),
            pick(item, "open_positions"),
            _blocked(item),
        )
        for item in items
    ]
    columns = ("id", "name", "online", "paused", "key", "open positions", "blocked by")
    table(console, columns, rows, "There are no bots. `botkeys bots add` adds one.")


def _blocked(item: Json) -> str:
    return ", ".join(str(reason) for reason in pick(item, "blocked_by") or ())


def bot(console: "Console", item: Json) -> None:
    key = [pick(item, "key", name) for name in ("label", "exchange", "environment", "id")]
    facts(
        console,
        {
            "id": pick(item, "id"),
            "name": pick(item, "name"),
            "online": pick(item, "online"),
            "last heartbeat": pick(item, "last_heartbeat_at"),
            "paused": pick(item, "paused"),
            "opens nothing because of": _blocked(item),
            "key": ", ".join(str(word) for word in key if word),
            "open positions": pick(item, "open_positions"),
            "open orders": pick(item, "open_orders"),
        },
    )


def token(console: "Console", made: Json) -> None:
    if "token" in made:
        text(console, made["token"])
    else:
        console.print(f"The token is in {plain(made['token_file'])}, which only you can read.")
