"""Keys and bots of a person, made through the API, for tests that look at them in the browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx

from tests.browser.conftest import Person
from tests.processes.trading import unchecked_key

Json = dict[str, Any]
_NUMBERS = count(1)


async def call(person: Person, method: str, path: str, body: Json | None = None) -> Json:
    answer = await person.api.request(method, path, json=body)
    assert answer.is_success, answer.text
    document: Json = answer.json() if answer.content else {}
    return document


async def new_key(person: Person, label: str, **changes: Any) -> Json:
    """Add a key that is not checked at an exchange: what the check does is another test's."""
    body = {**unchecked_key(next(_NUMBERS)), "label": label, **changes}
    return await call(person, "POST", "/v1/keys", body)


async def new_bot(person: Person, name: str, key: Json | None = None) -> Json:
    bot = await call(person, "POST", "/v1/bots", {"name": name})
    if key is not None:
        bot = await call(person, "PUT", f"/v1/bots/{bot['id']}/key", {"key_id": key["id"]})
    return bot


def forget(person: Person, *statuses: str) -> None:
    """Forget what the browser wrote about refusals that the test wanted, and nothing else."""
    for fault in person.faults:
        assert any(f"with a status of {one}" in fault for one in statuses), person.faults
    person.faults.clear()


@asynccontextmanager
async def runs(person: Person, bot: Json) -> AsyncIterator[httpx.AsyncClient]:
    """Provide the API as the bot itself calls it."""
    minted = await call(person, "POST", f"/v1/bots/{bot['id']}/token")
    async with httpx.AsyncClient(
        base_url=person.service.address,
        headers={"Authorization": f"Bearer {minted['token']}"},
    ) as client:
        yield client


async def holds(client: httpx.AsyncClient, status: str = "open", **changes: Any) -> Json:
    """Let a bot report a position; return the report."""
    report = {
        "symbol": "BTCUSDT",
        "side": "long",
        "quantity": "0.01",
        "status": status,
        "revision": 1,
        **changes,
    }
    answer = await client.put("/v1/runtime/positions/p-1", json=report)
    assert answer.is_success, answer.text
    return report
