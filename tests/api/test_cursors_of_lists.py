"""Every list's cursor is tied to that list and to all filters of the previous page."""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode

import pytest

from app.settings import Role
from tests.support import ledger
from tests.support.browsers import signed_in
from tests.support.catalogue import BINANCE, instrument, list_instruments
from tests.support.ledger import START, Deal
from tests.support.positions import trader
from tests.support.routes import one_time_key, routes_of
from tests.support.trading_data import LISTED, Desk, new_desk, new_row
from tests.support.world import World

SYMBOLS = ("AAAUSDT", "BBBUSDT")
_NUMBERS = itertools.count(1)
OTHER = "01938a5e-0000-7000-8000-000000000000"
NARROWER = {
    "active": "true",
    "actor": "nobody",
    "assigned": "false",
    "blocked": "true",
    "bot_id": OTHER,
    "environment": "testnet",
    "exchange": "okx",
    "from": "2026-01-01T00:00:00Z",
    "group_by": "bot",
    "key_id": OTHER,
    "kind": "reconnected",
    "level": "info",
    "online": "false",
    "paused": "false",
    "search": "t",
    "sort": "created_at",
    "status": "closed",
    "symbol": "BTC-USDT-SWAP",
    "to": "2027-01-01T00:00:00Z",
    "type": "key.add,bot.add",
}
"""A value of each filter that differs in effect from omitting it."""

DELIVERIES = "/v1/webhooks/{webhook_id}/deliveries"
OTHERWISE = {("/v1/events", "type"): "bot.added", (DELIVERIES, "status"): "failed"}
"""Filters whose values are different ones in a list."""


async def _post(desk: Desk, path: str, *bodies: Mapping[str, object]) -> None:
    for body in bodies:
        answer = await desk.user.post(path, body)
        assert answer.status_code < 300, answer.text


async def _key(desk: Desk) -> str:
    answer = await desk.user.post("/v1/keys", desk.world.unchecked_key(next(_NUMBERS)))
    return str(answer.json()["id"])


async def keys(desk: Desk) -> str:
    for _ in range(2):
        await _key(desk)
    return "/v1/keys"


async def bots(desk: Desk) -> str:
    await _post(desk, "/v1/bots", {"name": "A"}, {"name": "B"})
    return "/v1/bots"


async def events_of_audit(desk: Desk) -> str:
    await bots(desk)
    return "/v1/audit-events"


async def releases(desk: Desk) -> str:
    bot, _, key = await desk.user.ready_bot()
    for _ in range(2):
        answer = await bot.post("/v1/runtime/credentials", one_time_key())
        assert answer.status_code == 200, answer.text
    return f"/v1/keys/{key['id']}/releases"


async def events_of_changes(desk: Desk) -> str:
    await bots(desk)
    return "/v1/events"


async def sessions(desk: Desk) -> str:
    for _ in range(2):
        await signed_in(desk.world)
    return "/v1/sessions"


async def freezes(desk: Desk) -> str:
    exchange = {"scope": "exchange", "exchange": "okx"}
    await _post(desk, "/v1/freezes", {"scope": "account"}, exchange)
    return "/v1/freezes"


async def _webhook(desk: Desk) -> str:
    answer = await desk.user.post("/v1/webhooks", {"url": f"https://example.com/{next(_NUMBERS)}"})
    return f"/v1/webhooks/{answer.json()['id']}"


async def webhooks(desk: Desk) -> str:
    for _ in range(2):
        await _webhook(desk)
    return "/v1/webhooks"


async def deliveries(desk: Desk) -> str:
    webhook = await _webhook(desk)
    for _ in range(2):
        queued = await desk.user.post(f"{webhook}/test")
        assert queued.status_code == 202, queued.text
    return f"{webhook}/deliveries"


async def operations(desk: Desk) -> str:
    await _post(desk, "/v1/data-deletions", {"scope": "all"}, {"scope": "all"})
    return "/v1/operations"


async def instruments(desk: Desk) -> str:
    await list_instruments(desk.world, BINANCE, *map(instrument, SYMBOLS))
    return f"/v1/keys/{await _key(desk)}/instruments"


async def assets(desk: Desk) -> str:
    await list_instruments(desk.world, BINANCE, *map(instrument, SYMBOLS))
    path = f"/v1/keys/{await _key(desk)}/assets"
    await _post(desk, path, *({"symbol": symbol, "leverage": "1"} for symbol in SYMBOLS))
    return path


async def summary(desk: Desk) -> str:
    deals = [
        Deal(
            environment="live",
            key=ledger.KEYS[0],
            bot=ledger.BOTS[0],
            symbol=symbol,
            settle="USDT",
            pnl=Decimal(1),
            fees=Decimal(0),
            opened=START,
            at=START + day * timedelta(days=1),
        )
        for day, symbol in enumerate(SYMBOLS)
    ]
    async with desk.world.context.database.sessions.begin() as session:
        await ledger.add_deals(session, desk.account_id, deals)
    return "/v1/analytics/summary?group_by=symbol"


def reported(name: str) -> Callable[[Desk], Awaitable[str]]:
    async def of_trading(desk: Desk) -> str:
        await desk.add(name, new_row(name, START), new_row(name, START))
        return f"/v1/{name}"

    return of_trading


FILLED: dict[str, Callable[[Desk], Awaitable[str]]] = {
    "/v1/keys": keys,
    "/v1/bots": bots,
    "/v1/audit-events": events_of_audit,
    "/v1/events": events_of_changes,
    "/v1/freezes": freezes,
    "/v1/sessions": sessions,
    "/v1/operations": operations,
    "/v1/webhooks": webhooks,
    DELIVERIES: deliveries,
    "/v1/keys/{key_id}/instruments": instruments,
    "/v1/keys/{key_id}/releases": releases,
    "/v1/keys/{key_id}/assets": assets,
    "/v1/analytics/summary": summary,
    **{f"/v1/{name}": reported(name) for name in LISTED},
}
"""Each list by its template, and a function that gives an account two pages of it."""

_ALL_FILTERS = {
    route.path: sorted(names - {"cursor", "limit"})
    for route in routes_of(Role.ALL)
    if "cursor"
    in (
        names := {
            parameter["name"]
            for parameter in route.operation.get("parameters", [])
            if parameter["in"] == "query"
        }
    )
}
OF_BOTS = "/v1/runtime/"
FILTERS = {path: names for path, names in _ALL_FILTERS.items() if not path.startswith(OF_BOTS)}


def _with(path: str, **more: str) -> str:
    """Return the address with more in the query; existing parameters are replaced."""
    address, _, query = path.partition("?")
    return f"{address}?{urlencode({**dict(parse_qsl(query)), **more})}"


async def _refused(desk: Desk, path: str, cursor: str) -> bool:
    answer = await desk.user.get(_with(path, cursor=cursor))
    if answer.status_code == 200:
        return False
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (fault["loc"], fault["type"]) == (["query", "cursor"], "cursor_invalid")
    return True


@pytest.mark.parametrize("template", FILTERS)
async def test_a_cursor_belongs_to_its_list_and_to_all_its_filters(
    world: World, template: str
) -> None:
    """Rule R78."""
    desk = await new_desk(world)
    path = await FILLED[template](desk)
    first = await desk.user.get(_with(path, limit="1"))
    cursor = first.json()["next_cursor"]

    assert not await _refused(desk, _with(path, limit="2"), cursor)
    taken = {
        name: NARROWER[name]
        for name in FILTERS[template]
        if not await _refused(
            desk, _with(path, **{name: OTHERWISE.get((template, name), NARROWER[name])}), cursor
        )
    }
    assert taken == {}
    another = await FILLED["/v1/keys" if "keys" not in template else "/v1/bots"](desk)
    assert await _refused(desk, another, cursor)
    if "{key_id}" in template:
        key_id = await _key(desk)
        assert await _refused(desk, template.format(key_id=key_id), cursor)
    if template == DELIVERIES:
        assert await _refused(desk, await deliveries(desk), cursor)


@pytest.mark.parametrize("template", [name for name in FILTERS if "environment" in FILTERS[name]])
async def test_a_cursor_belongs_to_the_environment_that_was_selected(
    world: World, template: str
) -> None:
    desk = await new_desk(world)
    path = await FILLED[template](desk)
    cursor = (await desk.user.get(_with(path, limit="1"))).json()["next_cursor"]
    by_default = template not in {"/v1/keys", "/v1/bots", "/v1/events"}

    assert await _refused(desk, _with(path, environment="live"), cursor) != by_default
    await desk.user.patch("/v1/account", {"selected_environment": "testnet"})
    assert await _refused(desk, path, cursor) == by_default


async def test_a_cursor_of_periods_belongs_to_the_time_zone(world: World) -> None:
    desk = await new_desk(world)
    await summary(desk)
    path = "/v1/analytics/summary?group_by=day"
    cursor = (await desk.user.get(_with(path, limit="1"))).json()["next_cursor"]

    assert not await _refused(desk, path, cursor)
    await desk.user.patch("/v1/account", {"timezone": "Asia/Tokyo"})
    assert await _refused(desk, path, cursor)


async def test_a_cursor_of_a_bot_s_list_belongs_to_that_list(world: World) -> None:
    assert {p: n for p, n in _ALL_FILTERS.items() if p.startswith(OF_BOTS)} == {
        "/v1/runtime/positions": []
    }
    trading = await trader(world)
    for name in ("p1", "p2"):
        await trading.report("open", name)
    held = (await trading.bot.get("/v1/runtime/positions?limit=1")).json()["next_cursor"]
    listed = (await trading.user.get("/v1/positions?limit=1")).json()["next_cursor"]

    assert (await trading.bot.get(f"/v1/runtime/positions?cursor={held}")).status_code == 200
    for answer in (
        await trading.bot.get(f"/v1/runtime/positions?cursor={listed}"),
        await trading.user.get(f"/v1/positions?cursor={held}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"][0]["type"] == "cursor_invalid"
