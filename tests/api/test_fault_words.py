"""Faults are reported in terms of JSON, not of the framework."""

import pytest

from tests.support.positions import trader
from tests.support.world import World


@pytest.mark.parametrize("body", [[], 5, "text"])
async def test_a_body_that_is_no_object_is_reported_as_such(world: World, body: object) -> None:
    answer = await world.user().post("/v1/bots", body)

    assert [error["msg"] for error in answer.json()["errors"]] == ["must be a JSON object"]


async def test_an_item_that_is_no_object_is_reported_as_such(world: World) -> None:
    bot = (await trader(world)).bot

    answer = await bot.post("/v1/runtime/trades", {"items": [5]})

    assert "item: must be a JSON object" in answer.json()["results"][0]["detail"]
