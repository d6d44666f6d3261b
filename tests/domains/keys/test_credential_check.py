"""What the check with the exchange yields for a key: permissions, a refusal, or an honest
`unknown`.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.simulator.faults import FaultKind
from tests.support.limits import request_limits
from tests.support.variants import apart, changed
from tests.support.world import User, World

UNKNOWN = {"read": "unknown", "trade": "unknown", "withdraw": "unknown", "ip_restricted": "unknown"}


async def test_an_unverified_key_is_skipped_and_unknown_and_no_one_is_asked(world: World) -> None:
    calls = world.simulator.calls("okx", "testnet")

    key = await world.user().add_key("withdraw", verify=False)

    assert key["verification"] == {
        "status": "skipped",
        "reason": None,
        "possible": None,
        "exchange_code": None,
        "checked_at": None,
    }
    assert key["permissions"] == UNKNOWN
    assert world.simulator.calls("okx", "testnet") == calls


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (FaultKind.RATE_LIMITED, "rate_limited"),
        (FaultKind.BANNED, "rate_limited"),
        (FaultKind.SERVER_ERROR, "no_answer"),
        (FaultKind.SLOW, "no_answer"),
        (FaultKind.CUT, "no_answer"),
        (FaultKind.CUT_BODY, "no_answer"),
        (FaultKind.HTML, None),
        (FaultKind.TRUNCATED, "bad_answer"),
    ],
)
@pytest.mark.parametrize("exchange", ["okx", "binance"])
async def test_an_exchange_on_a_bad_day_says_nothing_about_a_key(
    world: World, exchange: str, kind: FaultKind, reason: str | None
) -> None:
    # Faults that ask for a pause ask for a longer one than the deadline allows.
    """Rule R6."""
    world.simulator.faults.set(exchange, "live", kind, seconds=600, retry_after=100)
    timeout = 0.4 if kind is FaultKind.SLOW else 30

    async with (
        asyncio.timeout(60),
        apart(world) as alone,
        changed(alone, settings={"key_check_timeout": timeout}) as hasty,
    ):
        body = hasty.new_key(exchange=exchange, environment="live")
        answer = await hasty.user().post("/v1/keys", body)

    assert answer.status_code == 201, answer.text
    key = answer.json()
    assert key["verification"]["status"] == "unreachable"
    if reason is not None:
        assert key["verification"]["reason"] == reason
    assert key["permissions"] == UNKNOWN
    assert key["verification"]["checked_at"] is not None


@pytest.mark.parametrize("times", [1, 2])
async def test_a_passing_fault_is_sat_out(world: World, times: int) -> None:
    world.simulator.faults.set("okx", "testnet", FaultKind.SERVER_ERROR, times=times)

    async with apart(world) as alone:
        key = await alone.user().add_key()

    assert key["verification"]["status"] == "verified"


async def test_a_check_takes_five_seconds_at_most_unless_set_otherwise(world: World) -> None:
    assert world.context.settings.key_check_timeout == 5


async def test_a_key_that_may_only_read_is_taken_as_unable_to_trade(world: World) -> None:
    okx = await world.user().add_key("readonly")
    binance = await world.user().add_key("readonly", exchange="binance", environment="live")

    assert okx["permissions"]["trade"] == "no"
    assert okx["permissions"]["read"] == "yes"
    assert binance["permissions"]["trade"] == "no"
    assert binance["permissions"]["read"] == "yes"


async def test_binance_live_tells_all_permissions(world: World) -> None:
    key = await world.user().add_key(exchange="binance", environment="live")

    assert key["verification"]["status"] == "verified"
    assert key["permissions"] == {
        "read": "yes",
        "trade": "yes",
        "withdraw": "no",
        "ip_restricted": "no",
    }
    assert key["expires_at"] is None


async def test_a_key_that_expires_at_its_exchange_says_when(world: World) -> None:
    key = await world.user().add_key("expiring", exchange="bybit", environment="live")

    expires = datetime.fromisoformat(key["expires_at"])
    now = datetime.now(UTC)
    assert now + timedelta(days=18) < expires < now + timedelta(days=21)
    assert key["expires_at"].endswith("Z")


async def test_the_end_of_spot_trading_is_not_shown_as_the_end_of_a_key(world: World) -> None:
    key = await world.user().add_key("expiring", exchange="binance", environment="live")

    assert (key["expires_at"], key["permissions"]["trade"]) == (None, "yes")


@pytest.mark.parametrize(
    ("exchange", "environment"), [("okx", "live"), ("okx", "testnet"), ("binance", "live")]
)
async def test_a_key_known_to_withdraw_is_refused_unless_the_policy_is_to_warn(
    world: World, exchange: str, environment: str
) -> None:
    """Rule R7."""
    body = world.new_key("withdraw", exchange=exchange, environment=environment)

    refused = await world.user().post("/v1/keys", body)
    async with changed(world, settings={"withdrawal_policy": "warn"}) as lenient:
        warned = await lenient.user().post("/v1/keys", body)

    assert (refused.status_code, refused.json()["code"]) == (422, "withdrawal_permission")
    assert warned.status_code == 201
    assert warned.json()["permissions"]["withdraw"] == "yes"


async def test_a_key_not_known_to_withdraw_is_taken_as_unknown(world: World) -> None:
    """Rule R7."""
    key = await world.user().add_key("withdraw", exchange="binance", environment="testnet")

    assert key["permissions"]["withdraw"] == "unknown"


async def test_a_refusal_tells_what_to_do_and_repeats_nothing(world: World) -> None:
    """Rule R6."""
    body = world.new_key("revoked", exchange="binance", environment="live")

    answer = await world.user().post("/v1/keys", body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "credentials_rejected")
    assert problem["reason"] == "refused"
    assert {"invalid_key", "ip_not_allowed", "permission"} <= set(problem["possible"])
    assert "API Management" in problem["detail"]
    assert body["api_key"] not in answer.text
    assert body["api_secret"] not in answer.text


async def test_live_credentials_entered_as_testnet_are_recognized(world: World) -> None:
    live = world.credentials["okx"]["live"]["trade"]

    answer = await world.user().post("/v1/keys", world.new_key(**live, environment="testnet"))

    assert (answer.status_code, answer.json()["code"]) == (422, "credentials_rejected")
    assert answer.json()["reason"] == "wrong_environment"


async def test_a_wrong_secret_and_a_wrong_passphrase_are_distinguished(world: World) -> None:
    user = world.user()

    secret = await user.post("/v1/keys", world.new_key(api_secret="0" * 32))
    passphrase = await user.post("/v1/keys", world.new_key(api_passphrase="Wrong-1!"))

    assert secret.json()["reason"] == "bad_signature"
    assert passphrase.json()["reason"] == "passphrase"


async def add_many(user: User, world: World, number: int) -> list[int]:
    """Add one rejected key repeatedly: each attempt is one call to the exchange."""
    answers = [await user.post("/v1/keys", world.new_key("revoked")) for _ in range(number)]
    return [answer.status_code for answer in answers]


async def test_checks_are_limited_per_account_and_other_accounts_go_on(world: World) -> None:
    async with changed(world, limits=request_limits(key_checks=2)) as limited:
        carol, dave = limited.user("carol-of-limits"), limited.user("dave-of-limits")

        assert await add_many(carol, limited, 3) == [422, 422, 429]
        assert await add_many(dave, limited, 1) == [422]
        last = await carol.post("/v1/keys", limited.new_key("revoked"))
        unchecked = await carol.post("/v1/keys", limited.unchecked_key())

    assert last.json()["code"] == "rate_limited"
    assert last.headers["retry-after"] == str(last.json()["retry_after"])
    assert 0 < last.json()["retry_after"] <= 30
    assert unchecked.status_code == 201
