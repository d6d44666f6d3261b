"""Keys as people see them on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botkeys.commands.endings import UsageFault
from botkeys.commands.exchange_names import Market
from botkeys.commands.output import facts, pick, plain, table, text

if TYPE_CHECKING:
    from rich.console import Console

Json = Mapping[str, Any]


def market_members(market: Market) -> dict[str, str]:
    """Return the members of a request that name a market."""
    members = {
        "exchange": market.exchange,
        "environment": market.environment,
        "contract_type": market.contract_type,
    }
    return members if market.region is None else {**members, "region": market.region}


def best_algorithm(exchange: str) -> str:
    """Return the kind of key pair that the exchange recommends."""
    from botkeys.exchanges.profiles import ALL  # noqa: PLC0415  # only where it is left out

    profile = next(profile for profile in ALL if profile.exchange == exchange)
    if not profile.key_pairs:
        raise UsageFault(
            f"{profile.name} takes no public keys. Add a key with `botkeys keys add`.",
            code="key_pair_not_offered",
        )
    return str(profile.key_pairs[0])


def keys(console: "Console", items: Sequence[Json]) -> None:
    members = ("id", "label", "exchange", "environment", "contract_type", "masked_key", "active")
    rows = [
        (*(pick(item, name) for name in members), pick(item, "bot", "name"), _state(item))
        for item in items
    ]
    columns = ("id", "label", "exchange", "environment", "type", "key", "active", "bot", "state")
    table(console, columns, rows, "There are no keys. `botkeys keys add` adds one.")


def _state(item: Json) -> str:
    """Return the word for the key's state, or what a service of before says instead."""
    return str(pick(item, "state", "word") or _checked(item))


def _checked(item: Json) -> str:
    if pick(item, "awaiting_api_key"):
        return "awaits its API key"
    words = (pick(item, "verification", name) for name in ("status", "reason"))
    return ": ".join(str(word) for word in words if word)


def _blocked(item: Json) -> str:
    return ", ".join(str(reason) for reason in pick(item, "blocked_by") or ())


def key(console: "Console", item: Json) -> None:
    market = (pick(item, name) for name in ("exchange", "environment", "region", "contract_type"))
    released = (pick(item, "last_release", name) for name in ("at", "from"))
    facts(
        console,
        {
            "id": pick(item, "id"),
            "label": pick(item, "label"),
            "exchange": " ".join(str(word) for word in market if word),
            "key": pick(item, "masked_key"),
            "active": pick(item, "active"),
            "state": pick(item, "state", "word"),
            "which means": pick(item, "state", "sentence"),
            "bot": pick(item, "bot", "name"),
            "opens nothing because of": _blocked(item),
            "assets": pick(item, "assets", "total"),
            "open positions": pick(item, "open_positions"),
            "checked": _checked(item),
            "may read": pick(item, "permissions", "read"),
            "may trade": pick(item, "permissions", "trade"),
            "may withdraw": pick(item, "permissions", "withdraw"),
            "bound to addresses": pick(item, "permissions", "ip_restricted"),
            "ends": pick(item, "expires_at"),
            "last given to its bot": ", from ".join(str(word) for word in released if word),
            "version": pick(item, "version"),
        },
    )
    for change in pick(item, "adjusted") or ():
        console.print(plain(pick(change, "detail")))


def pair(console: "Console", made: Json) -> None:
    key_id = pick(made, "key", "id")
    facts(console, {"id": key_id, "label": pick(made, "key", "label")})
    for line in ("instructions", "portal_url"):
        if made.get(line):
            console.print(plain(made[line]))
    text(console, str(pick(made, "public_key")))
    console.print(f"Then: botkeys keys replace {plain(key_id)}")


def preview(console: "Console", item: Json, shown: Json, data: str) -> None:
    facts(
        console,
        {
            "key": f"{pick(item, 'label')} ({pick(item, 'id')})",
            "bot": pick(shown, "bot", "name"),
            "positions held": pick(shown, "held_positions"),
        },
    )
    kept = "would be deleted with it" if data == "delete" else "would be kept"
    exactly = "" if pick(shown, "exact") else " (about)"
    counts = pick(shown, "counts")
    rows = [
        (kind.replace("_", " "), count)
        for kind, count in (counts.items() if isinstance(counts, Mapping) else ())
    ]
    table(console, (f"data that {kept}{exactly}", "rows"), rows, "It has no data.")


def deleted(console: "Console", answer: Json) -> None:
    if pick(answer, "status") is not None:
        console.print(
            f"The key is deleted. Its data are hidden; the operation {plain(pick(answer, 'id'))} "
            "removes them."
        )
        return
    console.print("The key and its credentials are deleted. Its data are kept.")
