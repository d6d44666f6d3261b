"""The account as its owner sees and changes it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from app.db.models import Account
from app.domains.accounts.schemas import Account as AccountDocument
from app.domains.accounts.timezones import names
from app.domains.trading.marks import FOREVER, Mark
from tests.support.trading_data import LISTED, SECOND, START, new_desk, new_row
from tests.support.world import Json, User, World


async def account(user: User) -> Json:
    answer = await user.get("/v1/account")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    assert list(document) == list(AccountDocument.model_fields)
    AccountDocument.model_validate(document)
    return document


def counts(document: Json) -> dict[str, dict[str, int]]:
    """Return the counts above zero, by the key's id."""
    return {
        found["key"]["id"]: {kind: count for kind, count in found["counts"].items() if count}
        for found in document["data"]
    }


async def test_an_account_that_was_never_used_has_defaults_and_is_not_made(world: World) -> None:
    document = await account(world.user())

    del document["id"]
    assert document == {
        "environments_with_data": [],
        "selected_environment": "live",
        "timezone": "UTC",
        "closing": False,
        "data": [],
        "created_at": None,
    }
    async with world.context.database.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Account)) == 0


async def test_data_are_counted_by_kind_for_each_key_that_has_any(world: World) -> None:
    desk, other = await new_desk(world), await new_desk(world, "bob")
    key = await desk.user.add_key()
    await desk.add("trades", new_row("trades", START, environment="testnet", key_id=key["id"]))
    for number, name in enumerate(LISTED, 1):
        rows = [new_row(name, START, environment="testnet") for _ in range(number)]
        await desk.add(name, *rows)
        await other.add(name, new_row(name, START))
    nobody = {"environment": None, "key_id": None, "exchange": None, "contract_type": None}
    await desk.add("bot-events", new_row("bot-events", START, **nobody))

    document = await account(desk.user)

    assert document["environments_with_data"] == ["testnet"]
    kinds = {name.replace("-", "_"): number for number, name in enumerate(LISTED, 1)}
    gone = str(desk.keys["testnet"])
    assert counts(document) == {gone: kinds, key["id"]: {"trades": 1}}
    shown = {found["key"]["id"]: found["key"] for found in document["data"]}
    assert shown[gone] == {
        "id": gone,
        "label": "testnet key",
        "exchange": "okx",
        "environment": "testnet",
        "deleted": True,
    }
    assert (shown[key["id"]]["label"], shown[key["id"]]["deleted"]) == (key["label"], False)
    await desk.add("signals", new_row("signals", START))
    assert (await account(desk.user))["environments_with_data"] == ["live", "testnet"]


async def test_what_a_mark_covers_is_not_counted(world: World) -> None:
    desk = await new_desk(world)
    for name in LISTED:
        for environment in ("live", "testnet"):
            rows = [new_row(name, START + n * SECOND, environment=environment) for n in range(3)]
            await desk.add(name, *rows)
    held = {"status": "open", "close_reason": None, "closed_at": None}
    await desk.add("positions", new_row("positions", START, **held))
    live, testnet = (str(desk.keys[name]) for name in ("live", "testnet"))

    await desk.mark(Mark("testnet", None, START + 2 * SECOND))
    await desk.mark(Mark(None, desk.keys["live"], FOREVER))

    document = await account(desk.user)
    assert counts(document) == {
        live: {"positions": 1},
        testnet: dict.fromkeys((name.replace("-", "_") for name in LISTED), 1),
    }
    await desk.mark(Mark(None, None, START + timedelta(days=1)))
    assert (await account(desk.user))["environments_with_data"] == ["live"]


async def test_selecting_an_environment_changes_what_readings_show(world: World) -> None:
    """Rule R24."""
    desk = await new_desk(world)
    for environment in ("live", "testnet"):
        await desk.add("trades", new_row("trades", START, id=environment, environment=environment))

    changed = await desk.user.patch("/v1/account", {"selected_environment": "testnet"})

    assert (changed.status_code, changed.json()) == (200, await account(desk.user))
    assert changed.json()["selected_environment"] == "testnet"
    assert [t["id"] for t in (await desk.user.get("/v1/trades")).json()["items"]] == ["testnet"]
    entries = (await desk.user.get("/v1/audit-events")).json()["items"]
    assert [(e["action"], e["target"], e["details"]) for e in entries] == [
        ("account.change", "account", {"selected_environment": "testnet"})
    ]


async def test_a_change_is_for_the_settings_that_were_seen(world: World) -> None:
    user = world.user()
    seen = (await user.get("/v1/account")).headers["etag"]
    body = {"timezone": "Asia/Kolkata"}

    first = await user.patch("/v1/account", body, headers={"If-Match": seen})
    late = await user.patch("/v1/account", {"timezone": "UTC"}, headers={"If-Match": seen})
    same = await user.patch("/v1/account", body, headers={"If-Match": first.headers["etag"]})

    assert (first.status_code, first.json()["timezone"]) == (200, "Asia/Kolkata")
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert (same.status_code, same.headers["etag"]) == (200, first.headers["etag"])
    assert first.headers["etag"] != seen
    assert (await account(user))["timezone"] == "Asia/Kolkata"


@pytest.mark.parametrize(
    "body",
    [
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"timezone": "europe/prague"},
        {"timezone": ""},
        {"selected_environment": "both"},
        {"closing": True},
    ],
)
async def test_what_is_no_setting_is_refused(world: World, body: Json) -> None:
    answer = await world.user().patch("/v1/account", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    document = await account(world.user())
    assert (document["selected_environment"], document["timezone"]) == ("live", "UTC")


def test_every_time_zone_that_is_taken_can_be_opened_without_the_system_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zoneinfo._tzpath.TZPATH", ())
    assert {"UTC", "Europe/Prague", "America/Argentina/Buenos_Aires"} < names()
    assert {ZoneInfo.no_cache(name).key for name in names()} == names()
