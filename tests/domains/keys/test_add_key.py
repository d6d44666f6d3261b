"""Adding keys."""

from typing import Any

import pytest

from tests.support.world import World


async def test_an_okx_key_in_one_field_is_taken_with_its_permissions(world: World) -> None:
    okx = world.credentials["okx"]["testnet"]["trade"]
    body = world.new_key("trade", api_secret=f"{okx['api_secret']}:{okx['api_passphrase']}")
    del body["api_passphrase"]

    answer = await world.user().post("/v1/keys", body)

    assert answer.status_code == 201
    key = answer.json()
    assert key["permissions"] == {
        "read": "yes",
        "trade": "yes",
        "withdraw": "no",
        "ip_restricted": "no",
    }
    assert key["verification"]["status"] == "verified"
    assert answer.headers["location"] == f"/v1/keys/{key['id']}"
    assert answer.headers["etag"] == '"1"'


async def test_what_an_exchange_does_not_tell_is_unknown_and_not_no(world: World) -> None:
    key = await world.user().add_key(exchange="binance")
    assert key["permissions"]["trade"] == "unknown"
    assert key["permissions"]["withdraw"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api_passphrase": None}, "passphrase_required"),
        ({"api_secret": "secret:", "api_passphrase": None}, "passphrase_required"),
        ({"api_secret": "secret:phrase"}, "passphrase_twice"),
        ({"api_secret": "with space"}, "malformed_credentials"),
        ({"api_key": "line\nbreak"}, "malformed_credentials"),
        ({"exchange": "binance"}, "passphrase_not_used"),
        ({"exchange": "gemini", "contract_type": "inverse"}, "contract_type_not_offered"),
        ({"region": "mars"}, "region_not_offered"),
        ({"exchange": "nowhere"}, "invalid_request"),
        ({"api_key": ""}, "invalid_request"),
        ({"label": " "}, "invalid_request"),
        ({"passphrase": "typing error"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_right_is_refused_by_its_name(
    world: World, changes: dict[str, Any], code: str
) -> None:
    answer = await world.user().post("/v1/keys", {**world.new_key(), **changes})

    assert answer.status_code == 422
    assert answer.json()["code"] == code
    assert world.new_key()["api_secret"] not in answer.text


@pytest.mark.parametrize(
    ("variant", "code", "reason"),
    [
        ("withdraw", "withdrawal_permission", None),
        ("revoked", "credentials_rejected", "invalid_key"),
        ("ip_bound", "credentials_rejected", "ip_not_allowed"),
    ],
)
async def test_a_key_that_the_exchange_or_the_policy_refuses_is_not_stored(
    world: World, variant: str, code: str, reason: str | None
) -> None:
    """Rule R6."""
    user = world.user()

    answer = await user.post("/v1/keys", world.new_key(variant))

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json().get("reason") == reason
    assert (await user.get("/v1/keys")).json()["items"] == []


async def test_the_same_key_is_found_before_the_exchange_is_asked(world: World) -> None:
    """Rule R5."""
    user = world.user()
    key = await user.add_key()
    calls = world.simulator.calls("okx", "testnet")

    again = await user.post("/v1/keys", world.new_key(label="the same"))

    assert again.status_code == 409
    assert again.json()["code"] == "key_already_added"
    assert again.json()["key_id"] == key["id"]
    assert world.simulator.calls("okx", "testnet") == calls


async def test_two_accounts_may_hold_the_same_key(world: World) -> None:
    """Rule R5."""
    await world.user("alice").add_key()
    await world.user("bob").add_key()
