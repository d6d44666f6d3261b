"""One account's checks leave an exchange's slots to the others."""

import asyncio

from app.api.write_limiter import AccountWriteLimiter
from app.process.startup import KEY_CHECKS_AT_ONCE
from tests.support.variants import apart, changed
from tests.support.world import World


async def test_checks_of_one_account_wait_for_each_other_and_not_for_another_account(
    busy_world: World,
) -> None:
    """Rule R41."""
    limiter = AccountWriteLimiter(KEY_CHECKS_AT_ONCE)
    async with apart(busy_world) as own, changed(own, key_checks=limiter) as world:
        greedy, modest = world.user("greedy"), world.user("modest")
        body = world.new_key("trade")
        burst = [
            asyncio.ensure_future(
                greedy.post("/v1/keys", {**body, "api_key": f"{number:08}-{body['api_key'][9:]}"})
            )
            for number in range(30)
        ]
        while not limiter._lines:  # noqa: ASYNC110  # no event there
            await asyncio.sleep(0.005)
        answer = await modest.post("/v1/keys", body)
        waiting = sum(not request.done() for request in burst)
        assert answer.status_code == 201
        # In one line with all of them, it would have come last.
        assert waiting > KEY_CHECKS_AT_ONCE
        for request in burst:
            request.cancel()
        await asyncio.gather(*burst, return_exceptions=True)
