"""An unknown name is answered with the known one that it resembles, and never repeated."""

import time

import pytest

from app.api.known_names import members_at, resembling
from app.domains.ingest.schemas import TradeBatch
from app.domains.keys.schemas import KeyCreate
from app.domains.runtime.heartbeat.schemas import Heartbeat
from tests.support.batches import item
from tests.support.positions import trader
from tests.support.world import World

KNOWN = {"api_key", "api_secret", "label", "environment"}


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("apiKey", "api_key"),
        ("API-SECRET", "api_secret"),
        ("lable", "label"),
        ("enviroment", "environment"),
        ("x", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_a_name_resembles_the_one_that_was_probably_meant(sent: str, meant: str | None) -> None:
    assert resembling(sent, KNOWN) == meant


def test_the_members_of_each_place_of_a_document_are_known() -> None:
    assert {"verify", "api_key"} <= members_at(KeyCreate, ())
    assert "checked_at" in members_at(Heartbeat | None, ("credentials",))
    assert members_at(TradeBatch, ()) == {"key_id", "items"}


async def test_a_misspelt_member_and_parameter_are_corrected_without_an_echo(world: World) -> None:
    user = world.user()

    body = await user.post("/v1/bots", {"name": "a", "naem": 1, "s3cr3t-hunter2": 1})
    query = await user.get("/v1/keys?exchnage=okx&s3cr3t-hunter2=1")

    assert [(error["loc"], error["msg"]) for error in body.json()["errors"]] == [
        (["body"], "No such member. Did you mean `name`?"),
        (["body"], "No such member. There are `name`"),
    ]
    faults = [(error["loc"], error["msg"]) for error in query.json()["errors"]]
    assert faults[0] == (["query"], "No such query parameter. Did you mean `exchange`?")
    assert faults[1][1].startswith("No such query parameter. There are `active`, ")
    assert "hunter2" not in body.text + query.text


async def test_a_misspelt_member_of_an_item_is_corrected(world: World) -> None:
    bot = (await trader(world)).bot
    sent = {"items": [item("trades", "t1", entryPrice="1")]}

    answer = await bot.post("/v1/runtime/trades", sent)

    detail = answer.json()["results"][0]["detail"]
    assert detail == "item: No such member. Did you mean `entry_price`? (extra_forbidden)"


def test_looking_for_a_resemblance_takes_little_time() -> None:
    known = {f"member_{number}" for number in range(20)}
    begun = time.thread_time()
    for number in range(20):
        resembling(f"{number}" + "member" * 10_000, known)
    assert time.thread_time() - begun < 0.2
