"""One account's checks leave an exchange's slots to the others."""

import asyncio

from app.api.write_limiter import AccountWriteLimiter
from app.process.startup import KEY_CHECKS_AT_ONCE
from tests.support.held import held
from tests.support.variants import apart
from tests.support.world import World

BURST = 3 * KEY_CHECKS_AT_ONCE


async def test_checks_of_one_account_wait_for_each_other_and_not_for_another_account(
    busy_world: World,
) -> None:
    """Rule R41."""
    limiter = AccountWriteLimiter(KEY_CHECKS_AT_ONCE, patience=60)
    async with (
        apart(busy_world) as own,
        held(own, KEY_CHECKS_AT_ONCE, key_checks=limiter) as (world, exchanges),
    ):
        greedy, modest = world.user("greedy"), world.user("modest")
        body = world.new_key("trade")
        burst = [
            asyncio.ensure_future(
                greedy.post("/v1/keys", {**body, "api_key": f"{number:08}-{body['api_key'][9:]}"})
            )
            for number in range(BURST)
        ]
        while sum(line.present for line in limiter._lines.values()) < BURST:  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.005)
        await exchanges.asked.wait()

        # In one line with all of them, it would wait for ever.
        answer = await modest.post("/v1/keys", body)
        assert answer.status_code == 201, answer.text
        assert exchanges.checks == KEY_CHECKS_AT_ONCE + 1
        assert not any(request.done() for request in burst)

        exchanges.go.set()
        answers = await asyncio.gather(*burst)
        assert {made.json()["code"] for made in answers} == {"credentials_rejected"}
        assert exchanges.checks == BURST + 1
