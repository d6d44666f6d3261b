"""Bots as people see them on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botkeys.commands.output import facts, plain, table, text

if TYPE_CHECKING:
    from rich.console import Console

Json = Mapping[str, Any]


def bots(console: "Console", items: Sequence[Json]) -> None:
    rows = [
        (
            item["id"],
            item["name"],
            item["online"],
            item["paused"],
            (item["key"] or {}).get("label"),
            item["open_positions"],
        )
        for item in items
    ]
    columns = ("id", "name", "online", "paused", "key", "open positions")
    table(console, columns, rows, "There are no bots. `botkeys bots add` adds one.")


def bot(console: "Console", item: Json) -> None:
    key = item["key"]
    facts(
        console,
        {
            "id": item["id"],
            "name": item["name"],
            "online": item["online"],
            "last heartbeat": item["last_heartbeat_at"],
            "paused": item["paused"],
            "key": key and f"{key['label']} ({key['exchange']} {key['environment']}, {key['id']})",
            "open positions": item["open_positions"],
            "open orders": item["open_orders"],
        },
    )


def token(console: "Console", made: Json) -> None:
    if "token" in made:
        text(console, made["token"])
    else:
        console.print(f"The token is in {plain(made['token_file'])}, which only you can read.")
