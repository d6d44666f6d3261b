"""Numbers of queries are plain digits, on every route that reads one."""

import pytest

from app.domains.accounts.timezones import names
from app.pipeline.idempotency import request_hash
from app.settings import Role
from botkeys.sealing.boxes import SecretBytes
from tests.support.routes import routes_of, set_up
from tests.support.world import World

ODD = ["+5", "5.0", "1e1", "%205", "5%20", "05", "1_0", "%D9%A5", "%EF%BC%95", "", "-0", "0x5"]
NUMBERS = [
    (route, parameter["name"])
    for route in routes_of(Role.ALL)
    for parameter in route.operation.get("parameters", [])
    if parameter["in"] == "query" and parameter["schema"].get("type") == "integer"
]


async def test_a_number_of_a_query_is_in_plain_digits(world: World) -> None:
    assert {name for _, name in NUMBERS} == {"limit", "points"}
    assert len(NUMBERS) > 10
    for route, name in NUMBERS:
        stage = await set_up(world, route)
        taken = await stage.caller.get(f"{stage.path}?{name}=5")
        assert taken.status_code == 200, route.operation_id
        for odd in ODD:
            refused = await stage.caller.get(f"{stage.path}?{name}={odd}")
            assert refused.status_code == 422, (route.operation_id, odd)
            faults = [(error["loc"], error["type"]) for error in refused.json()["errors"]]
            assert faults == [(["query", name], "int_parsing")], odd


@pytest.mark.parametrize("zone", ["Factory", "localtime", "posixrules", "utc", "Europe/prague", ""])
async def test_a_time_zone_is_that_of_a_place(world: World, zone: str) -> None:
    user = world.user()
    assert {"UTC", "Europe/Prague", "Asia/Kolkata"} <= names()

    refused = await user.patch("/v1/account", {"timezone": zone})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_two_account_headers_that_a_proxy_joined_are_refused(world: World) -> None:
    service = world.user("service", "act_as keys:read")
    for value, status in (("bob", 200), ("bob,alice", 400), ("bob, alice", 400), (",", 400)):
        answer = await service.get("/v1/keys", headers={"X-Account-Id": value})
        assert answer.status_code == status, value


def test_a_target_of_any_length_is_hashed() -> None:
    key = SecretBytes(b"k" * 32)
    long = [request_hash(key, "POST", "/v1/bots?" + "a" * (100_000 + n), b"") for n in range(2)]
    assert len({*long, request_hash(key, "POST", "/v1/bots", b"")}) == 3
