"""Lists of what bots reported: what they show, what they leave out, and in what order."""

import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest

from app.api.schemas import Document
from app.domains.history.schemas import BotEvent, EquitySnapshot, Funding, Signal, Trade
from app.domains.positions.schemas import Position
from app.domains.trading.marks import FOREVER, Mark, covers
from tests.support.trading_data import LISTED, SECOND, START, TIMES, Desk, new_desk, new_row
from tests.support.world import Json, World

SCHEMAS: dict[str, type[Document]] = {
    "trades": Trade,
    "funding": Funding,
    "equity-snapshots": EquitySnapshot,
    "signals": Signal,
    "bot-events": BotEvent,
    "positions": Position,
}
ENVIRONMENTS = ["live", "testnet"]
every_list = pytest.mark.parametrize("name", LISTED)


async def page(desk: Desk, name: str, **query: Any) -> Json:
    answer = await desk.user.get(f"/v1/{name}?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


async def shown(desk: Desk, name: str, **query: Any) -> list[str]:
    """Return the ids of all pages."""
    found = await page(desk, name, **query)
    ids = [item["id"] for item in found["items"]]
    while found["next_cursor"]:
        found = await page(desk, name, **query, cursor=found["next_cursor"])
        assert found["items"]
        ids += [item["id"] for item in found["items"]]
    return ids


@every_list
async def test_a_list_shows_all_of_a_row_with_the_names_of_its_bot_and_key(
    world: World, name: str
) -> None:
    desk = await new_desk(world)
    bot = await desk.user.add_bot("Grid BTC")
    await desk.add(name, new_row(name, START, id="r1", bot_id=UUID(bot["id"])))

    (item,) = (await page(desk, name))["items"]

    assert list(item) == list(SCHEMAS[name].model_fields)
    SCHEMAS[name].model_validate(item)
    assert item["id"] == "r1"
    assert item["bot"] == {"id": bot["id"], "name": "Grid BTC"}
    # The key itself is deleted: its label is still shown.
    assert item["key"] == {"id": str(desk.keys["live"]), "label": "live key"}
    assert item[TIMES[name]] == "2026-11-01T00:00:00Z"


async def test_decimals_are_text_and_what_nobody_knew_is_null(world: World) -> None:
    desk = await new_desk(world)
    unknown = dict.fromkeys(("pnl", "settle", "contract_size"))
    await desk.add("trades", new_row("trades", START), new_row("trades", START - SECOND, **unknown))

    known, without = (await page(desk, "trades"))["items"]

    assert (known["pnl"], known["settle"], known["exit_price"]) == ("0.5", "USDT", "101.5")
    assert {without[member] for member in unknown} == {None}


def crossed(name: str, desk: Desk) -> Iterator[dict[str, Any]]:
    """Yield a row for each environment, bot, word and second, some of them with another key."""
    words = [("X-1", "info"), ("X-2", "error")]
    for environment, bot, (symbol, level), second in itertools.product(
        ENVIRONMENTS, desk.bots, words, range(2)
    ):
        columns: dict[str, Any] = {"environment": environment, "bot_id": bot}
        if name in {"trades", "funding", "signals", "positions"}:
            columns["symbol"] = symbol
        if name == "bot-events":
            columns |= {"level": level, "kind": symbol}
        columns["key_id"] = desk.keys[environment] if symbol == "X-1" else uuid4()
        yield new_row(name, START + second * SECOND, **columns)


@every_list
async def test_filters_narrow_a_list_alone_and_together_and_environments_never_mix(
    world: World, name: str
) -> None:
    """Rule R24."""
    desk = await new_desk(world)
    rows = list(crossed(name, desk))
    if name == "positions":  # a position's key always has a label
        rows = [row | {"key_id": desk.keys[row["environment"]]} for row in rows]
    await desk.add(name, *rows)
    words = {"symbol": {"symbol"}, "level": {"level", "kind"}}
    names = {member for mark, members in words.items() if mark in rows[0] for member in members}
    choices: dict[str, list[Any]] = {
        "environment": ENVIRONMENTS,
        "key_id": [None, *desk.keys.values()],
        "bot_id": [None, desk.bots[0], uuid4()],
        **{member: [None, rows[0][member]] for member in sorted(names)},
    }
    times = [(None, None), (START + SECOND, None), (None, START + SECOND), (START, START)]

    chance = random.Random(name)  # noqa: S311  # a sample of all combinations
    combinations = list(itertools.product(*choices.values()))
    for values in chance.sample(combinations, min(24, len(combinations))):
        exactly = {n: v for n, v in zip(choices, values, strict=True) if v is not None}
        since, until = chance.choice(times)
        bounds = {"from": since, "to": until}
        query = {n: v.isoformat() for n, v in bounds.items() if v is not None}
        expected = {
            row.get("reported_id", row["id"])
            for row in rows
            if all(row[member] == value for member, value in exactly.items())
            and (since is None or row[TIMES[name]] >= since)
            and (until is None or row[TIMES[name]] < until)
        }
        found = (await page(desk, name, **exactly, **query))["items"]
        assert {item["id"] for item in found} == expected, (exactly, query)
        assert len(found) == len(expected)
        assert {item["environment"] for item in found} <= {exactly["environment"]}


@every_list
@pytest.mark.parametrize("filtered", [False, True])
async def test_pages_through_equal_times_lose_and_repeat_nothing(
    world: World, name: str, filtered: bool
) -> None:
    desk = await new_desk(world)
    chance = random.Random(name)  # noqa: S311  # positions in time only
    rows = [
        new_row(name, START + chance.randrange(3) * SECOND, bot_id=chance.choice(desk.bots))
        for _ in range(23)
    ]
    await desk.add(name, *rows)
    query = {"bot_id": desk.bots[1]} if filtered else {}
    wanted = [row for row in rows if not filtered or row["bot_id"] == desk.bots[1]]

    whole = [item["id"] for item in (await page(desk, name, **query))["items"]]
    by_size = [await shown(desk, name, **query, limit=limit) for limit in (1, 2, 7, len(wanted))]

    assert sorted(whole) == sorted(row.get("reported_id", row["id"]) for row in wanted)
    assert all(ids == whole for ids in by_size)
    at = {row.get("reported_id", row["id"]): row[TIMES[name]] for row in rows}
    assert [at[row_id] for row_id in whole] == sorted((at[i] for i in whole), reverse=True)


@every_list
async def test_the_selected_environment_is_shown_unless_another_is_asked_for(
    world: World, name: str
) -> None:
    desk = await new_desk(world, selected_environment="testnet")
    await desk.add(name, *(new_row(name, START, id=e, environment=e) for e in ENVIRONMENTS))

    assert await shown(desk, name) == ["testnet"]
    assert await shown(desk, name, environment="live") == ["live"]


@every_list
async def test_another_account_sees_nothing_of_it(world: World, name: str) -> None:
    desk, other = await new_desk(world), await new_desk(world, "bob")
    await desk.add(name, new_row(name, START))

    for query in ({}, {"key_id": desk.keys["live"]}, {"bot_id": desk.bots[0]}):
        assert len(await shown(desk, name, **query)) == 1
        assert await shown(other, name, **query) == []
    assert (await world.user("carol").get(f"/v1/{name}")).json()["items"] == []


@every_list
async def test_what_a_mark_covers_is_left_out(world: World, name: str) -> None:
    desk = await new_desk(world)
    rows = [
        new_row(name, START + second * SECOND, environment=environment)
        for environment in ENVIRONMENTS
        for second in range(4)
    ]
    await desk.add(name, *rows)
    cutoff = START + timedelta(seconds=2)
    live = desk.keys["live"]
    marks = [
        Mark("testnet", None, cutoff),
        Mark(None, live, cutoff - SECOND),
        Mark("live", uuid4(), FOREVER),
        Mark(None, None, START + timedelta(microseconds=1)),
    ]
    for count in range(1, len(marks) + 1):
        await desk.mark(marks[count - 1])
        for environment, key in itertools.product(ENVIRONMENTS, (None, live)):
            expected = {
                row.get("reported_id", row["id"])
                for row in rows
                if row["environment"] == environment
                and key in (None, desk.keys[environment])
                and not any(
                    covers(mark, environment, desk.keys[environment], row[TIMES[name]])
                    for mark in marks[:count]
                )
            }
            query = {"environment": environment} | ({} if key is None else {"key_id": key})
            assert set(await shown(desk, name, **query)) == expected


async def test_a_key_that_was_deleted_with_its_data_leaves_nothing(world: World) -> None:
    desk = await new_desk(world)
    for name in LISTED:
        await desk.add(name, new_row(name, START))
    await desk.mark(Mark(None, desk.keys["live"], FOREVER))

    for name in LISTED:
        assert await shown(desk, name) == []
        assert await shown(desk, name, key_id=desk.keys["live"]) == []


async def test_positions_that_are_held_are_shown_whatever_was_deleted(world: World) -> None:
    desk = await new_desk(world)
    far, near = START + timedelta(days=3650), START
    held = {"close_reason": None, "closed_at": None}
    await desk.add(
        "positions",
        new_row("positions", START, id="closed"),
        new_row("positions", START, id="open", status="open", **held),
        new_row("positions", START, id="held", status="opening", expires_at=far, **held),
        new_row("positions", START, id="lapsed", status="opening", expires_at=near, **held),
    )
    await desk.mark(Mark("live", None, FOREVER))

    assert set(await shown(desk, "positions")) == {"open", "held"}


async def test_events_of_no_environment_are_shown_in_both_in_their_place(world: World) -> None:
    desk = await new_desk(world)
    nowhere = {"exchange": None, "environment": None, "contract_type": None, "key_id": None}
    await desk.add(
        "bot-events",
        *(new_row("bot-events", START + n * SECOND, id=f"live {n}") for n in (0, 2, 4)),
        *(new_row("bot-events", START + n * SECOND, id=f"none {n}", **nowhere) for n in (1, 3)),
        new_row("bot-events", START, environment="testnet", id="testnet"),
    )

    of_live = ["live 4", "none 3", "live 2", "none 1", "live 0"]
    for limit in (1, 2, 5):
        assert await shown(desk, "bot-events", limit=limit) == of_live
    of_testnet = await page(desk, "bot-events", environment="testnet")
    assert [item["id"] for item in of_testnet["items"]] == ["none 3", "none 1", "testnet"]
    assert of_testnet["items"][0]["key"] is None
    await desk.mark(Mark("live", None, FOREVER))
    assert await shown(desk, "bot-events") == ["none 3", "none 1"]
    await desk.mark(Mark(None, None, START + 2 * SECOND))
    assert await shown(desk, "bot-events") == ["none 3"]


async def test_the_service_s_own_events_have_an_id_of_the_service_s(world: World) -> None:
    desk = await new_desk(world)
    row = new_row("bot-events", START, bot_id=None) | {"reported_id": None}
    await desk.add("bot-events", row)

    (item,) = (await page(desk, "bot-events"))["items"]

    assert (item["id"], item["bot"]) == (str(row["id"]), None)
    BotEvent.model_validate(item)


async def test_a_cursor_of_one_list_is_none_of_another(world: World) -> None:
    desk = await new_desk(world)
    cursors = {}
    for name in LISTED:
        await desk.add(name, new_row(name, START), new_row(name, START))
        cursors[name] = (await page(desk, name, limit=1))["next_cursor"]

    for (mine, cursor), other in itertools.product(cursors.items(), LISTED):
        answer = await desk.user.get(f"/v1/{other}?cursor={cursor}")
        assert answer.status_code == (200 if mine == other else 422)
