"""In a body only `true` and `false` are flags, and they are no numbers."""

import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from app.settings import Role
from tests.support.routes import RouteUnderTest, document_of, routes_of
from tests.support.world import Json, World

NO_FLAGS: tuple[Any, ...] = ("false", 1)
NO_NUMBERS: tuple[Any, ...] = (True,)
NO_INTEGERS: tuple[Any, ...] = (True, "1", " 1", "1_000", "+1")
PARAMETERS = {"symbol": "BTCUSDT", "position_id": "p1"}
"""Path parameters; all others are UUIDs. A body is validated before any object is looked up."""

IN_A_LIST = {"fees": {"asset": "BNB"}}
"""An item of each list that the example has something else in place of, without its decimals."""


class Member(NamedTuple):
    """A flag or number in a body; `place` leads to it, through the first item of each list."""

    route: RouteUnderTest
    place: tuple[str | int, ...]
    kind: str

    def body(self, value: Any) -> Any:
        """Return the route's example with this value in this place."""
        whole = inner = deepcopy(self.route.operation["example"])
        for step, following in pairwise(self.place):
            if isinstance(following, int) and not isinstance(inner[step], list):
                inner[step] = [dict(IN_A_LIST[str(step)])]
            inner = inner[step]
        inner[self.place[-1]] = value
        return whole


def members(document: Json, schema: Json, place: tuple[str | int, ...]) -> Iterator[Any]:
    """Yield place and kind of every flag and number in a body of this schema."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        yield from members(document, choice, place)
    kinds = schema.get("type")
    for kind in {"boolean", "integer"} & set(kinds if isinstance(kinds, list) else [kinds]):
        yield place, kind
    pattern = schema.get("pattern", "")
    # A decimal: documented as text, accepted as both. Codes of exchanges have letters too.
    if "[0-9]{1," in pattern and "A-Z" not in pattern:
        yield place, "decimal"
    for name, inner in schema.get("properties", {}).items():
        yield from members(document, inner, (*place, name))
    if "items" in schema:
        yield from members(document, schema["items"], (*place, 0))


def found() -> list[Member]:
    document = document_of(Role.ALL)
    return [
        Member(route, place, kind)
        for route in routes_of(Role.ALL)
        if route.takes_body
        for place, kind in members(
            document,
            route.operation["requestBody"]["content"]["application/json"]["schema"],
            (),
        )
    ]


def faults(answer: Any, member: Member) -> list[str]:
    """Return the types of the errors reported for this place."""
    if answer.status_code == 200 and member.place[0] == "items":
        [verdict] = answer.json()["results"]
        assert (verdict["status"], verdict["code"]) == ("refused", "invalid_item")
        name, _, fault = verdict["detail"].partition(": ")
        place = ".".join(map(str, member.place[2:]))
        return [fault.rpartition("(")[2].rstrip(")")] if name == place else []
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    return [fault["type"] for fault in problem["errors"] if fault["loc"] == ["body", *member.place]]


async def test_flags_and_numbers_of_bodies_are_what_json_calls_so(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    listed = found()
    flags = {member.place[-1] for member in listed if member.kind == "boolean"}
    assert flags == {
        "active",
        "verify",
        "confirm_same_account",
        "enabled",
        "paused",
        "dry_run",
        "acted",
        "reset",
        "end_former",
    }
    assert len(listed) > len(flags) + 20

    for member in listed:
        caller = bot if member.route.access.for_bots else user
        path = member.route.path.format(
            **{name: PARAMETERS.get(name, UUID(int=1)) for name in member.route.parameters}
        )
        wrong, right = NO_NUMBERS, {"int_type", "decimal_type"}
        if member.kind == "boolean":
            wrong, right = NO_FLAGS, {"bool_type"}
        elif member.kind == "integer":
            wrong, right = NO_INTEGERS, {"int_type"}
        for value in wrong:
            answer = await caller.call(member.route.method, path, member.body(value))
            reported = faults(answer, member)
            assert reported, (member.route.operation_id, member.place, value, answer.text)
            assert set(reported) <= right


async def test_a_number_that_would_be_rounded_is_refused_wherever_a_decimal_is_read(
    world: World,
) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    decimals = [member for member in found() if member.kind == "decimal"]
    assert {"quantity", "entry_price", "fees", "leverage", "equity", "score"} <= {
        member.place[-1] for member in decimals
    }

    for member in decimals:
        caller = bot if member.route.access.for_bots else user
        path = member.route.path.format(
            **{name: PARAMETERS.get(name, UUID(int=1)) for name in member.route.parameters}
        )
        body = json.dumps(member.body("@")).replace('"@"', "1.00000000000000000001")
        headers = {"Authorization": f"Bearer {caller.token}", "Content-Type": "application/json"}
        answer = await caller.http.request(member.route.method, path, content=body, headers=headers)
        assert faults(answer, member) == ["value_error"], (member.route.operation_id, member.place)
        assert "as text" in answer.text


async def test_flags_of_queries_are_read_as_people_write_them(world: World) -> None:
    user = world.user()
    await user.post("/v1/keys", world.unchecked_key())
    for sent in ("true", "1", "yes"):
        answer = await user.get(f"/v1/keys?environment=testnet&active={sent}")
        assert len(answer.json()["items"]) == 1
