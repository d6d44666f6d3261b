"""What is measured of the service's routes: every reading with each of its filters and orders, from
the first page and from deep within, and the checks that writes begin with.

Readings are taken from the description of the routes, so that none is missed: a parameter that
`SAMPLES` has no value for fails.
"""

import base64
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.growth.measuring import Call
from benchmarks.growth.scene import SYMBOL, Caller, Refused, Scene, new_key
from botkeys.sealing.suites import PrivateKey, SuiteName

LIMIT = 10
"""The length of measured pages: the smallest installation fills it too."""

DEEP = 5
"""How many pages lie before a deep one, with a filter."""

DEEPEST = 30
"""The same of a list as it is."""

_PAGING = {"cursor", "limit"}
_NUMBERS = count(1)
_PUBLIC = PrivateKey.generate(SuiteName.X25519).public.raw
_ONE_TIME = {
    "suite": "x25519",
    "public_key": base64.urlsafe_b64encode(_PUBLIC).rstrip(b"=").decode(),
}

SAMPLES: dict[str, tuple[str, ...]] = {
    "actor": ("user-1",),
    "from": ((datetime.now(UTC) - timedelta(days=20)).isoformat(),),
    "to": ((datetime.now(UTC) - timedelta(days=2)).isoformat(),),
    "kind": ("offline",),
    "symbol": (SYMBOL,),
    "search": ("grid", "of which there is none"),
    "points": (),
}
"""Values of the parameters that are not words of a closed set, ids or booleans."""

NOT_MEASURED = {
    "getLiveness": "touches no table",
    "getReadiness": "looks at the catalog of PostgreSQL",
    "getMetrics": "touches no table",
    "streamEvents": "reads on from an id like listEvents, for as long as it is open",
    "streamConfig": "reads like getConfig, for as long as it is open",
    "streamOperation": "reads like getOperation, for as long as it is open",
    "closeAccount": "its work grows with the account by its nature",
    "deleteData": "the same",
    "importTrades": "its work grows with the file",
    "refreshInstruments": "asks an exchange",
    "addKeyPair": "writes like addKey",
    "cancelOperation": "reads like getOperation and changes that row",
    "liftFreeze": "deletes what getFreeze reads",
    "replaceCredentials": "checks like addKey and changes that key",
    "endSession": "changes one of at most 50 rows",
    "endOtherSessions": "the same",
    "deleteWebhook": "grows with the deliveries of one webhook, which go with it",
    "replayWebhookDelivery": "writes like testWebhook",
    "rotateWebhookSecret": "changes what getWebhook reads",
    "testWebhook": "is let through about once in ten seconds",
}
"""Operations that nothing is measured of, and why."""


async def readings(document: dict[str, Any], scene: Scene, *, all_ways: bool) -> list[Call]:
    """Return the readings: in all ways, or the first page of each without filters.

    Deep pages are walked to here.
    """
    found: list[Call] = []
    for path, methods in sorted(document["paths"].items()):
        operation = methods.get("get")
        if operation is None or operation["operationId"] in NOT_MEASURED:
            continue
        caller = scene.bot if path.startswith("/v1/runtime/") else scene.user
        place = path.format(**_names_for(path, scene.names))
        is_list = "cursor" in {one["name"] for one in operation.get("parameters", [])}
        queries = _queries(document, operation, scene.names)
        for query in queries if all_ways else [{}]:
            paged = {**query, "limit": str(LIMIT)} if is_list else query
            name = " ".join([path, *(f"{key}={value}" for key, value in query.items())])
            found.append(_reading(name, caller, place, paged))
            if is_list and all_ways:
                pages = DEEP if query else DEEPEST
                cursor = await _walked(caller, place, paged, pages)
                if cursor is not None:
                    deep = {**paged, "cursor": cursor}
                    found.append(_reading(f"{name} (deep)", caller, place, deep))
    return found


def _names_for(path: str, names: dict[str, str]) -> dict[str, str]:
    """Return what stands in the path: an import is another kind of operation."""
    return {**names, "operation_id": names["import_id"]} if "/import/" in path else names


def _reading(name: str, caller: Caller, place: str, query: dict[str, str]) -> Call:
    address = f"{place}?{urlencode(query)}" if query else place
    return Call(name, lambda: caller.call("GET", address))


async def _walked(caller: Caller, place: str, query: dict[str, str], pages: int) -> str | None:
    """Return the cursor of the last page but one, at most so many pages on; None if there is
    only one.
    """
    cursor = None
    for _ in range(pages):
        after = query if cursor is None else {**query, "cursor": cursor}
        try:
            page = await caller.call("GET", f"{place}?{urlencode(after)}")
        except Refused:
            break  # what takes too long at this size is noted when it is measured
        following = page["next_cursor"]
        if following is None:
            break
        cursor = following
    return cursor


def _queries(
    document: dict[str, Any], operation: dict[str, Any], names: dict[str, str]
) -> Iterator[dict[str, str]]:
    """Yield no parameter, then each value of each alone."""
    yield {}
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "query" and name not in _PAGING:
            for value in _values(document, name, parameter["schema"], names):
                yield {name: value}


def _values(
    document: dict[str, Any], name: str, schema: dict[str, Any], names: dict[str, str]
) -> tuple[str, ...]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        words = tuple(schema["enum"])
        return words if name == "sort" else words[:2]
    if schema.get("type") == "boolean":
        return ("true", "false")
    if schema.get("format") == "uuid":
        return (names[f"seeded_{name}"],)
    if name == "type":
        return ("key.add",)
    return SAMPLES[name]


class _Writer:
    """Calls that leave the account as they found it, but for its history."""

    def __init__(self, scene: Scene) -> None:
        self.user, self.bot, self.names = scene.user, scene.bot, scene.names
        self.key = f"/v1/keys/{self.names['key_id']}"
        self.robot = f"/v1/bots/{self.names['bot_id']}"
        self.position = {"symbol": self.names["symbol"], "side": "long", "quantity": "1"}

    async def new_bot_and_back(self) -> None:
        added = await self.user.call("POST", "/v1/bots", {"name": f"Measured {next(_NUMBERS)}"})
        await self.user.call("DELETE", f"/v1/bots/{added['id']}")

    async def new_key_and_back(self) -> None:
        added = await self.user.call("POST", "/v1/keys", new_key(next(_NUMBERS) + 10**9))
        await self.user.call("DELETE", f"/v1/keys/{added['id']}")

    async def unassigned_and_back(self) -> None:
        await self.user.call("DELETE", f"{self.robot}/key")
        await self.assigned()

    async def assigned(self) -> None:
        await self.user.call("PUT", f"{self.robot}/key", {"key_id": self.names["key_id"]})

    async def asset_and_back(self) -> None:
        new = f"COIN{400 + next(_NUMBERS) % 90}USDT"
        await self.user.call("POST", f"{self.key}/assets", {"symbol": new, "leverage": "5"})
        await self.user.call("DELETE", f"{self.key}/assets/{new}")

    async def webhook_and_back(self) -> None:
        url = "https://hooks.example.com/200"
        added = await self.user.call("POST", "/v1/webhooks", {"url": url})
        await self.user.call("DELETE", f"/v1/webhooks/{added['id']}")

    async def frozen_and_back(self) -> None:
        of_exchange = {"scope": "exchange", "exchange": "woox"}
        added = await self.user.call("POST", "/v1/freezes", of_exchange)
        await self.user.call("DELETE", f"/v1/freezes/{added['id']}")

    async def traded(self) -> None:
        place = f"/v1/runtime/positions/measured-{next(_NUMBERS)}"
        for status in ("opening", "open", "closed"):
            await self.bot.call("PUT", place, {**self.position, "status": status})

    async def closed_by_hand(self) -> None:
        name = f"by-hand-{next(_NUMBERS)}"
        report = {**self.position, "status": "open"}
        await self.bot.call("PUT", f"/v1/runtime/positions/{name}", report)
        await self.user.call("POST", f"/v1/positions/{name}/close?bot_id={self.names['bot_id']}")

    def reported(self, kind: str, /, **members: Any) -> Callable[[], Awaitable[Any]]:
        async def report() -> None:
            at = datetime.now(UTC).isoformat()
            times = {"opened_at": at, "closed_at": at} if kind == "trades" else {"at": at}
            item = {"id": f"measured-{next(_NUMBERS)}", **times, **members}
            await self.bot.call("POST", f"/v1/runtime/{kind}", {"items": [item]})

        return report

    def patched(self, place: str, *bodies: dict[str, Any]) -> Callable[[], Awaitable[Any]]:
        async def patch() -> None:
            for body in bodies:
                await self.user.call("PATCH", place, body)

        return patch


def checks(scene: Scene) -> dict[str, list[Call]]:
    """Return the calls that change or check something, by the operation's id."""
    writer, names = _Writer(scene), scene.names
    user, bot, key = scene.user, scene.bot, writer.key
    asset, hook = f"{key}/assets/{quote(SYMBOL)}", f"/v1/webhooks/{names['webhook_id']}"
    patched, reported, of_symbol = writer.patched, writer.reported, {"symbol": SYMBOL}
    calls: dict[str, dict[str, Callable[[], Awaitable[Any]]]] = {
        "addKey": {
            "a key and its deletion": writer.new_key_and_back,
            "a duplicate": lambda: user.call("POST", "/v1/keys", new_key(0), status=409),
        },
        "changeKey": {"": patched(key, {"label": "One"}, {"label": "Two"})},
        "deleteKey": {"an assigned one": lambda: user.call("DELETE", key, status=409)},
        "addBot": {
            "a repeat": lambda: user.call("POST", "/v1/bots", {"name": "Repeated"}, key="repeated")
        },
        "deleteBot": {"after addBot": writer.new_bot_and_back},
        "changeBot": {"": patched(writer.robot, {"paused": True}, {"paused": False})},
        "unassignKey": {"and assignKey": writer.unassigned_and_back},
        "assignKey": {"the same": writer.assigned},
        "mintBotToken": {
            "of another": lambda: user.call("POST", f"/v1/bots/{names['seeded_bot_id']}/token")
        },
        "addAsset": {"and removeAsset": writer.asset_and_back},
        "removeAsset": {"unknown": lambda: user.call("DELETE", f"{key}/assets/NONE", status=404)},
        "changeAsset": {"": patched(asset, {"leverage": "6"}, {"leverage": "7"})},
        "addFreeze": {"and liftFreeze": writer.frozen_and_back},
        "addWebhook": {"and deleteWebhook": writer.webhook_and_back},
        "changeWebhook": {"": patched(hook, {"types": ["bot.added"]}, {"types": []})},
        "changeAccount": {
            "": patched("/v1/account", {"timezone": "Europe/Berlin"}, {"timezone": "UTC"})
        },
        "closePosition": {"after its report": writer.closed_by_hand},
        "reportPosition": {"opening, open, closed": writer.traded},
        "releaseCredentials": {"": lambda: bot.call("POST", "/v1/runtime/credentials", _ONE_TIME)},
        "sendHeartbeat": {"": lambda: bot.call("POST", "/v1/runtime/heartbeat")},
        "reportOrders": {"": lambda: bot.call("PUT", "/v1/runtime/orders", {"orders": []})},
        "reportTrades": {
            "": reported(
                "trades", **of_symbol, side="long", quantity="1", entry_price="1", exit_price="2"
            )
        },
        "reportFunding": {"": reported("funding", **of_symbol, amount="-0.5", settle="USDT")},
        "reportEquitySnapshots": {"": reported("equity-snapshots", equity="1", settle="USDT")},
        "reportSignals": {"": reported("signals", **of_symbol, name="one", direction="long")},
        "reportEvents": {"": reported("events", kind="one", level="info", message="one")},
    }
    return {
        operation: [Call(f"{operation} {what}".strip(), run) for what, run in named.items()]
        for operation, named in calls.items()
    }
