"""Keys as people see them on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botkeys.commands.endings import UsageFault
from botkeys.commands.exchange_names import Market
from botkeys.commands.output import facts, plain, table, text

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
    rows = [
        (
            item["id"],
            item["label"],
            item["exchange"],
            item["environment"],
            item["contract_type"],
            item["masked_key"],
            item["active"],
            (item["bot"] or {}).get("name"),
            _checked(item),
        )
        for item in items
    ]
    columns = ("id", "label", "exchange", "environment", "type", "key", "active", "bot", "checked")
    table(console, columns, rows, "There are no keys. `botkeys keys add` adds one.")


def _checked(item: Json) -> str:
    if item["awaiting_api_key"]:
        return "awaits its API key"
    check = item["verification"]
    return str(
        check["status"] if check["reason"] is None else f"{check['status']}: {check['reason']}"
    )


def key(console: "Console", item: Json) -> None:
    permissions = item["permissions"]
    released = item["last_release"]
    facts(
        console,
        {
            "id": item["id"],
            "label": item["label"],
            "exchange": " ".join(
                filter(
                    None,
                    (
                        item["exchange"],
                        item["environment"],
                        item["region"],
                        item["contract_type"],
                    ),
                )
            ),
            "key": item["masked_key"],
            "active": item["active"],
            "bot": (item["bot"] or {}).get("name"),
            "checked": _checked(item),
            "may read": permissions["read"],
            "may trade": permissions["trade"],
            "may withdraw": permissions["withdraw"],
            "bound to addresses": permissions["ip_restricted"],
            "ends": item["expires_at"],
            "last given to its bot": released and f"{released['at']} at {released['from']}",
            "version": item["version"],
        },
    )
    for change in item.get("adjusted", ()):
        console.print(plain(change["detail"]))


def pair(console: "Console", made: Json) -> None:
    facts(console, {"id": made["key"]["id"], "label": made["key"]["label"]})
    console.print(plain(made["instructions"]))
    if made["portal_url"]:
        console.print(plain(made["portal_url"]))
    text(console, made["public_key"])
    console.print(f"Then: botkeys keys replace {plain(made['key']['id'])}")


def preview(console: "Console", item: Json, shown: Json, data: str) -> None:
    facts(
        console,
        {
            "key": f"{item['label']} ({item['id']})",
            "bot": (shown["bot"] or {}).get("name"),
            "positions held": shown["held_positions"],
        },
    )
    kept = "would be deleted with it" if data == "delete" else "would be kept"
    exactly = "" if shown["exact"] else " (about)"
    rows = [(kind.replace("_", " "), count) for kind, count in shown["counts"].items()]
    table(console, (f"data that {kept}{exactly}", "rows"), rows, "It has no data.")


def deleted(console: "Console", answer: Json) -> None:
    operation = answer.get("status")
    if operation is not None:
        console.print(
            f"The key is deleted. Its data are hidden; the operation {plain(answer['id'])} removes "
            "them."
        )
        return
    console.print("The key and its credentials are deleted. Its data are kept.")
