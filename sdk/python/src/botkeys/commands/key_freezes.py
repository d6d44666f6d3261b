"""Freezes of keys, exchanges and the account: which one is meant, and how they are shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botkeys.commands.endings import CommandError, Ending, UsageFault
from botkeys.commands.output import pick, table

if TYPE_CHECKING:
    from rich.console import Console

    from botkeys.commands.service import Service

Json = dict[str, Any]


def scope(service: "Service", key: str | None, exchange: str | None, *, everything: bool) -> Json:
    """Return the members that name what is frozen. Raises UsageFault unless exactly one is."""
    if sum((key is not None, exchange is not None, everything)) != 1:
        raise UsageFault("Name one of these: a key, --exchange, or --all.")
    if key is not None:
        return {"scope": "key", "key_id": service.find("key", "label", key)["id"]}
    return {"scope": "account"} if everything else {"scope": "exchange", "exchange": exchange}


def lift(service: "Service", wanted: Mapping[str, Any]) -> list[Json]:
    """Lift every freeze of exactly this scope; return them."""
    found = [
        freeze
        for freeze in service.pages("/v1/freezes")
        if all(pick(freeze, name) == value for name, value in wanted.items())
    ]
    if not found:
        raise CommandError(
            "It is not frozen. `botkeys keys freezes` shows what is.",
            ending=Ending.REFUSED,
            code="not_found",
        )
    for freeze in found:
        service.call("DELETE", f"/v1/freezes/{freeze['id']}")
    return found


def freezes(console: "Console", items: Sequence[Mapping[str, Any]]) -> None:
    columns = ("id", "scope", "of", "since", "reason")
    rows = [
        (
            pick(item, "id"),
            pick(item, "scope"),
            pick(item, "exchange") or pick(item, "key_id"),
            pick(item, "created_at"),
            pick(item, "reason"),
        )
        for item in items
    ]
    table(console, columns, rows, "Nothing is frozen.")
