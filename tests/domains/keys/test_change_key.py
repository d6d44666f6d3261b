"""Renaming, activating and deactivating, and what never changes."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.support.variants import add_unchecked
from tests.support.world import World


async def test_a_key_is_read_alone_with_its_tag(world: World) -> None:
    key = await world.user().add_key()

    answer = await world.user().get(f"/v1/keys/{key['id']}")

    assert answer.json() == key
    assert answer.headers["etag"] == '"1"'


async def test_a_key_is_renamed_and_its_tag_moves(world: World) -> None:
    user = world.user()
    key = await user.add_key()

    answer = await user.patch(f"/v1/keys/{key['id']}", {"label": "  BTC Perps Key "})

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    changed = answer.json()
    assert changed["label"] == "BTC Perps Key"
    assert datetime.fromisoformat(changed["updated_at"]) > datetime.fromisoformat(key["updated_at"])
    untouched = {name: value for name, value in key.items() if name not in {"label", "updated_at"}}
    assert untouched.items() <= changed.items()
    assert (await user.get(f"/v1/keys/{key['id']}")).json() == changed


async def test_a_key_is_deactivated_and_activated_again(world: World) -> None:
    user = world.user()
    key = await user.add_key()

    off = await user.patch(f"/v1/keys/{key['id']}", {"active": False})
    on = await user.patch(f"/v1/keys/{key['id']}", {"active": True})

    assert (off.status_code, off.json()["active"]) == (200, False)
    assert (on.status_code, on.json()["active"]) == (200, True)


async def test_a_key_may_be_added_inactive(world: World) -> None:
    key = await world.user().add_key(active=False)

    assert key["active"] is False


async def test_an_assigned_key_may_be_deactivated_and_stays_assigned(world: World) -> None:
    """Rule R11."""
    user = world.user()
    _, bot, key = await user.ready_bot()

    answer = await user.patch(f"/v1/keys/{key['id']}", {"active": False})

    assert answer.status_code == 200
    assert answer.json()["bot"] == {"id": bot["id"], "name": bot["name"]}
    assert (await user.get(f"/v1/bots/{bot['id']}")).json()["key"]["id"] == key["id"]


@pytest.mark.parametrize("change", [{}, {"label": "okx trade"}, {"active": True}, {"label": None}])
async def test_a_change_of_nothing_leaves_the_tag_as_it_was(
    world: World, change: dict[str, Any]
) -> None:
    user = world.user()
    key = await user.add_key()

    answer = await user.patch(f"/v1/keys/{key['id']}", change)

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == key


async def test_the_environment_cannot_be_changed(world: World) -> None:
    """Rule R1."""
    user = world.user()
    key = await user.add_key()

    refused = await user.patch(
        f"/v1/keys/{key['id']}", {"environment": "live", "label": "renamed as well"}
    )
    same = await user.patch(f"/v1/keys/{key['id']}", {"environment": "testnet"})

    assert (refused.status_code, refused.json()["code"]) == (409, "environment_immutable")
    assert same.status_code == 200
    assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


UNCHANGEABLE: list[Any] = [
    {"exchange": "binance"},
    {"api_key": "another"},
    {"api_secret": "another"},
    {"api_passphrase": "another"},
    {"region": "eea"},
    {"id": str(uuid4())},
    {"masked_key": "abcd…efgh"},
    {"permissions": {"trade": "yes"}},
    {"environment": "mainnet"},
    {"label": ""},
    {"label": " \t"},
    {"label": "x" * 101},
    {"label": "line\nbreak"},
    {"label": 5},
    {"active": "off and on"},
    [],
    "label",
    None,
]


async def test_what_cannot_be_changed_or_is_no_value_is_refused(world: World) -> None:
    """Rule R1."""
    user = world.user()
    key = await user.add_key()

    for change in UNCHANGEABLE:
        answer = await user.patch(f"/v1/keys/{key['id']}", change)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), change

    assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


async def test_a_label_may_be_of_any_script_and_a_hundred_characters(world: World) -> None:
    user = world.user()
    label = "مفتاح ключ 鍵 🔑👩‍💻".ljust(100, "x")

    key = await user.add_key(label=label)

    assert key["label"] == label


async def test_two_keys_may_have_the_same_label(world: World) -> None:
    user = world.user()

    await user.add_key("trade", label="Main")
    await user.add_key("trade_2", label="Main")

    assert len((await user.get("/v1/keys?search=main")).json()["items"]) == 2


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"1"', 200),
        ("*", 200),
        ('"2"', 412),
        ('"0"', 412),
        ('W/"1"', 412),
        ('"x"', 412),
        ("1", 412),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_if_match_is_honoured(world: World, method: str, tag: str, status: int) -> None:
    user = world.user()
    key = await user.add_key()

    answer = await user.call(
        method,
        f"/v1/keys/{key['id']}",
        {"label": "mine"} if method == "PATCH" else None,
        headers={"If-Match": tag},
    )

    assert answer.status_code == status
    if status == 412:
        assert answer.json()["code"] == "precondition_failed"
        assert (await user.get(f"/v1/keys/{key['id']}")).json() == key


async def test_a_change_for_a_state_that_has_passed_is_refused(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    path = f"/v1/keys/{key['id']}"

    first = await user.patch(path, {"label": "first"}, headers={"If-Match": '"1"'})
    second = await user.patch(path, {"label": "second"}, headers={"If-Match": '"1"'})
    third = await user.patch(path, {"label": "third"}, headers={"If-Match": first.headers["etag"]})

    assert [answer.status_code for answer in (first, second, third)] == [200, 412, 200]
    assert third.json()["label"] == "third"


async def test_a_key_that_is_not_there_is_not_found(world: World) -> None:
    user = world.user()

    for method, body in [("GET", None), ("PATCH", {"label": "x"}), ("DELETE", None)]:
        answer = await user.call(method, f"/v1/keys/{uuid4()}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        answer = await user.call(method, "/v1/keys/not-an-id", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_of_opposing_changes_with_the_same_tag_one_wins(busy_world: World) -> None:
    user = busy_world.user()
    key = await add_unchecked(user)
    path = f"/v1/keys/{key['id']}"

    answers = await asyncio.gather(
        *(
            user.patch(path, {"label": f"label {number}"}, headers={"If-Match": '"1"'})
            for number in range(10)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    winner = next(answer for answer in answers if answer.status_code == 200)
    # The key's catalogue may have been fetched since.
    present, won = (await user.get(path)).json(), winner.json()
    assert {**present, "blocked_by": None} == {**won, "blocked_by": None}
