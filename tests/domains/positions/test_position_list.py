"""Positions as their owner sees them."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, update

from app.api.pagination import EPOCH
from app.db.models import Position
from app.domains.history.cursors import PlaceCursors
from app.domains.positions.schemas import PositionPage
from app.errors import InvalidRequest
from tests.support.positions import SYMBOL, Trader, let_lapse, trader
from tests.support.world import Json, User, World

CURSORS = PlaceCursors("positions", environment="live")


async def listed(user: User, **query: Any) -> Json:
    wanted = {"environment": "testnet", **query}
    text = "&".join(f"{name}={quote(str(value))}" for name, value in wanted.items())
    answer = await user.get(f"/v1/positions?{text}")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    PositionPage.model_validate(document)
    return document


async def ids(user: User, **query: Any) -> list[str]:
    return [item["id"] for item in (await listed(user, **query))["items"]]


async def several(trading: Trader, *names: str) -> list[Json]:
    return [await trading.report("open", name) for name in names]


async def test_a_bot_and_its_owner_see_the_same_document(world: World) -> None:
    trading = await trader(world)
    reported = await trading.report("open", entry_price="97012.5", revision=1)

    assert (await listed(trading.user)) == {"items": [reported], "next_cursor": None}


async def test_the_newest_come_first_page_by_page(world: World) -> None:
    trading = await trader(world)
    names = [f"p{number}" for number in range(5)]
    await several(trading, *names)
    async with world.context.database.sessions.begin() as session:
        # Two of the same moment: the rest of the order distinguishes them.
        same = update(Position).where(Position.id.in_(["p2", "p3"]))
        await session.execute(same.values(created_at=func.statement_timestamp()))

    page = await listed(trading.user, limit=1)
    found = [item["id"] for item in page["items"]]
    while page["next_cursor"] is not None:
        page = await listed(trading.user, limit=1, cursor=page["next_cursor"])
        found += [item["id"] for item in page["items"]]

    assert sorted(found) == names
    assert found == await ids(trading.user)
    assert found[2:] == ["p4", "p1", "p0"]


async def test_live_is_what_is_shown_unless_testnet_is_asked_for(world: World) -> None:
    trading = await trader(world)
    await trading.report("open")

    assert (await trading.user.get("/v1/positions")).json()["items"] == []
    assert await ids(trading.user, environment="live") == []
    assert await ids(trading.user) == ["p1"]


async def test_filters_leave_the_rest_out(world: World) -> None:
    first = await trader(world)
    second = await trader(world, key=await first.user.add_key("trade_2"))
    made = [await first.report("open", "a"), await second.report("open", "b", symbol="X-1")]
    user, (a, b) = first.user, made

    assert await ids(user) == ["b", "a"]
    assert await ids(user, key_id=a["key"]["id"]) == ["a"]
    assert await ids(user, bot_id=b["bot"]["id"]) == ["b"]
    assert await ids(user, symbol=SYMBOL) == ["a"]
    assert await ids(user, symbol="X-1", key_id=a["key"]["id"]) == []
    assert await ids(user, **{"from": b["created_at"]}) == ["b"]
    assert await ids(user, to=b["created_at"]) == ["a"]
    assert await ids(user, **{"from": a["created_at"], "to": a["created_at"]}) == []
    for name in ("key_id", "bot_id"):
        assert await ids(user, **{name: uuid4()}) == []


async def test_a_status_leaves_the_rest_out_in_every_form(world: World) -> None:
    trading = await trader(world)
    await trading.report("opening", "lapsed")
    await let_lapse(world)
    for name, status in (("asked", "opening"), ("held", "open"), ("done", "closed")):
        await trading.report(status, name)
    user = trading.user
    found = {"opening": ["asked"], "open": ["held"], "closed": ["done", "lapsed"]}

    for status, names in found.items():
        items = (await listed(user, status=status))["items"]
        assert [item["id"] for item in items] == names
        assert {item["status"] for item in items} == {status}
        path = f"/v1/positions?environment=testnet&status={status}"
        lines = (await user.get(path, headers={"Accept": "application/x-ndjson"})).text
        assert [json.loads(line)["id"] for line in lines.splitlines()] == names
    wanted = {"status": "closed", "symbol": SYMBOL, "bot_id": trading.bot.id}
    page = await listed(user, limit=1, **wanted)
    rest = await listed(user, cursor=page["next_cursor"], **wanted)
    assert [item["id"] for item in rest["items"]] == ["lapsed"]
    assert await ids(user, status="closed", symbol="X-1") == []


async def test_another_account_s_positions_are_not_shown(world: World) -> None:
    trading, other = await trader(world), await trader(world, "bob")
    await trading.report("open")

    assert await ids(other.user) == []
    assert await ids(other.user, key_id=trading.key["id"]) == []
    assert await ids(other.user, bot_id=trading.bot.id) == []


async def test_a_deleted_bot_s_positions_are_shown_without_its_name(world: World) -> None:
    trading = await trader(world)
    await trading.report("closed")
    deleted = await trading.user.delete(f"/v1/bots/{trading.bot.id}")
    assert deleted.status_code == 204

    items = (await listed(trading.user))["items"]

    assert items[0]["bot"] == {"id": str(trading.bot.id), "name": None}
    assert items[0]["key"]["label"] == trading.key["label"]


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-11-22",
        "from=1700000000",
        "from=2026-11-22T10:00:00",
        "symbol=a%00b",
        "symbol=",
        "key_id=x",
        "environment=both",
        "to=",
        "status=lapsed",
        "to=9999-12-31T23:59:59-14:00",
    ],
)
async def test_a_filter_that_says_nothing_is_refused(world: World, query: str) -> None:
    answer = await world.user().get(f"/v1/positions?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_times_at_the_end_of_time_are_only_times(world: World) -> None:
    trading = await trader(world)
    await trading.report("open")
    for time, found in (("9999-12-31T23:59:59Z", []), ("1970-01-01T01:00:00+01:00", ["p1"])):
        assert await ids(trading.user, **{"from": time}) == found


@given(
    made=st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)),  # noqa: DTZ001  # zoned below
    bot_id=st.uuids(),
    name=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200),
)
def test_a_cursor_leads_back_to_its_place(made: datetime, bot_id: UUID, name: str) -> None:
    from_epoch = made - datetime(1970, 1, 1)  # noqa: DTZ001  # as above
    place = (EPOCH + from_epoch, bot_id, name)
    cursor = CURSORS.following(place)
    assert cursor is not None
    assert len(cursor) <= 1200
    assert CURSORS.after(cursor) == place


@given(st.text(max_size=60))
def test_a_cursor_from_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        CURSORS.after(text)


def test_a_cursor_of_the_far_future_or_with_a_hidden_name_is_refused() -> None:
    late = EPOCH + timedelta(days=365)
    for name in ("a\x00", "\n"):
        with pytest.raises(InvalidRequest):
            CURSORS.after(CURSORS.following((late, uuid4(), name)))
    beyond = CURSORS.following((EPOCH, uuid4(), "a"))
    assert beyond is not None
    with pytest.raises(InvalidRequest):
        CURSORS.after(beyond[:11] + "_" * 10 + beyond[21:])
