"""A catalogue of thousands of instruments."""

import pytest

from tests.support.world import World


@pytest.mark.torture
async def test_three_thousand_instruments_are_all_fetched_and_paged_through(world: World) -> None:
    user = world.user()
    key = await user.add_key(exchange="bybit")
    path = f"/v1/keys/{key['id']}/instruments?limit=200"

    symbols: list[str] = []
    cursor = ""
    while True:
        page = (await user.get(f"{path}{cursor}")).json()
        symbols += [item["symbol"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(symbols) >= 3_000
    assert symbols == sorted(set(symbols))
