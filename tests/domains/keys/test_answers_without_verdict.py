"""An exchange that answered was reachable: what its codes make of a key, and what is shown."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.simulator.faults import FaultKind
from tests.support.variants import apart
from tests.support.world import Json, World

# Exchange, environment, HTTP status, its own code, and the reason with which the key is rejected;
# without one, the code says nothing certain about the credentials.
ANSWERS = [
    ("binance", "live", 400, "-1005", "ip_not_allowed"),
    ("binance", "live", 403, "-1011", "ip_not_allowed"),
    ("binance", "testnet", 400, "-1099", "refused"),
    ("binance", "testnet", 400, "-1109", "account"),
    ("binance", "live", 400, "-2017", "account"),
    ("binance", "testnet", 400, "-4109", "account"),
    ("binance", "testnet", 400, "-77777", None),
    ("bybit", "live", 200, "10007", "refused"),
    ("bybit", "live", 200, "10008", "account"),
    ("bybit", "testnet", 200, "10028", "account"),
    ("bybit", "testnet", 200, "10029", "permission"),
    ("bybit", "testnet", 200, "131004", "account"),
    ("bybit", "testnet", 200, "10001", None),
    ("deribit", "live", 400, "9999", "account"),
    ("deribit", "testnet", 400, "10019", "account"),
    ("deribit", "testnet", 400, "11042", "permission"),
    ("deribit", "testnet", 400, "10013", None),
    ("gemini", "testnet", 400, "MissingSignatureHeader", "bad_signature"),
    ("gemini", "testnet", 400, "ConflictingOptions", None),
    ("kucoin", "live", 200, "400001", "refused"),
    ("kucoin", "live", 200, "400303", "account"),
    ("kucoin", "live", 200, "130201", "account"),
    ("kucoin", "live", 200, "126047", "account"),
    ("kraken", "live", 200, "permissionDenied", "permission"),
    ("kraken", "live", 200, "accountInactive", None),
    ("okx", "testnet", 200, "51010", "account"),
    ("okx", "testnet", 400, "54321", None),
    ("phemex", "testnet", 200, "11022", "account"),
    ("woox", "testnet", 400, "302307", None),
    ("bitmex", "testnet", 400, "HTTPError", None),
]


async def added(world: World, exchange: str, environment: str) -> tuple[int, Json]:
    body = world.new_key(exchange=exchange, environment=environment)
    answer = await world.user().post("/v1/keys", body)
    for part in ("api_key", "api_secret"):
        assert body[part] not in answer.text
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("exchange", "environment", "status", "code", "reason"), ANSWERS)
async def test_a_code_of_the_exchange_rejects_the_key_or_is_shown_beside_it(
    world: World, exchange: str, environment: str, status: int, code: str, reason: str | None
) -> None:
    """Rule R6."""
    echo = world.new_key(exchange=exchange, environment=environment)["api_key"]
    world.simulator.faults.set(
        exchange, environment, FaultKind.REFUSED, status=status, code=code, message=echo
    )
    async with apart(world) as alone:
        answered, document = await added(alone, exchange, environment)

    if reason is not None:
        assert (answered, document["code"]) == (422, "credentials_rejected")
        assert (document["reason"], document["exchange_code"]) == (reason, code)
        return
    assert answered == 201, document
    verification = document["verification"]
    assert (verification["status"], verification["reason"]) == ("unknown", "refused")
    assert verification["exchange_code"] == code
    assert verification["checked_at"] is not None


@pytest.mark.parametrize("exchange", ["okx", "bybit", "binance", "gemini"])
async def test_a_page_of_a_firewall_is_about_our_address_and_not_about_the_key(
    world: World, exchange: str
) -> None:
    world.simulator.faults.set(exchange, "testnet", FaultKind.FIREWALL)
    async with apart(world) as alone:
        answered, document = await added(alone, exchange, "testnet")

    assert answered == 201
    shown = {name: document["verification"][name] for name in ("status", "reason", "exchange_code")}
    assert shown == {"status": "unknown", "reason": "address_refused", "exchange_code": "403"}


async def test_an_answer_without_any_sense_is_no_outage(world: World) -> None:
    world.simulator.faults.set("okx", "testnet", FaultKind.EMPTY_LIST)
    async with apart(world) as alone:
        _, document = await added(alone, "okx", "testnet")

    verification = document["verification"]
    assert (verification["status"], verification["reason"]) == ("unknown", "bad_answer")
    assert verification["exchange_code"] is None


@pytest.mark.parametrize("code", ["K" * 41, "two words", "50111x", "ünicode", ""])
async def test_a_code_that_is_neither_a_number_nor_a_word_is_not_repeated(
    world: World, code: str
) -> None:
    world.simulator.faults.set("okx", "testnet", FaultKind.REFUSED, code=code)
    async with apart(world) as alone:
        _, document = await added(alone, "okx", "testnet")

    assert document["verification"]["exchange_code"] == "other"


async def test_a_code_that_is_part_of_the_credentials_is_not_repeated(world: World) -> None:
    word = "abcdefghijklmnop"
    world.simulator.faults.set("okx", "testnet", FaultKind.REFUSED, code=word)
    async with apart(world) as alone:
        body = alone.new_key(api_secret=f"{word}0123456789ABCDEF")
        answer = await alone.user().post("/v1/keys", body)

    assert answer.json()["verification"]["exchange_code"] == "other"
    assert word not in answer.text


async def test_an_unclear_answer_blocks_nothing_by_itself(world: World) -> None:
    world.simulator.faults.set(
        "okx", "testnet", FaultKind.REFUSED, code="54321", path="/api/v5/account/config"
    )
    async with apart(world) as alone:
        user = alone.user()
        unclear_bot, _, key = await user.ready_bot()
        world.simulator.faults.clear()
        body = alone.new_key("trade_2")
        clear = (await user.post("/v1/keys", body)).json()
        bot = await user.mint((await user.add_bot())["id"])
        await user.put(f"/v1/bots/{bot.id}/key", {"key_id": clear["id"]})
        configs = [(await one.get("/v1/runtime/config")).json() for one in (unclear_bot, bot)]

    assert key["verification"]["status"] == "unknown"
    assert clear["verification"]["status"] == "verified"
    assert configs[0]["blocked_by"] == configs[1]["blocked_by"]


def published() -> list[dict[str, Any]]:
    """Return the cases of the reference data beside the repository, or skip."""
    beside = Path(__file__).parents[4] / "shared" / "exchanges"
    folder = Path(os.environ.get("EXCHANGE_REFERENCE", beside))
    path = folder / "cases" / "04-answered-but-no-answer.json"
    if not path.is_file():
        pytest.skip("the exchanges' reference data are not beside this repository")
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return cases


async def test_no_published_case_of_an_answer_counts_as_an_outage(world: World) -> None:
    for case in published():
        exchange, status = case["exchange"], case["status"]
        code = str(case.get("code") or case.get("retCode") or case.get("error"))
        environment = "live" if exchange == "kucoin" else "testnet"
        world.simulator.faults.set(
            exchange, environment, FaultKind.REFUSED, status=status, code=code
        )
        async with apart(world) as alone:
            answered, document = await added(alone, exchange, environment)
        world.simulator.faults.clear()
        if answered == 422:
            assert (document["code"], document["exchange_code"]) == ("credentials_rejected", code)
        else:
            verification = document["verification"]
            assert (verification["status"], verification["exchange_code"]) == ("unknown", code)
            await world.user().delete(f"/v1/keys/{document['id']}")
