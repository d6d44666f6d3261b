"""Keys and bots of a person, and what the bots report, through the public API alone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.simulator import credentials
from tests.browser.conftest import Person
from tests.processes.trading import new_key, sent

SYMBOL = "BTC-USDT-SWAP"
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Runner:
    """A bot with a key of the simulated OKX. It reports as a bot does, under its own token."""

    person: Person
    key: dict[str, Any]
    bot: dict[str, Any]
    api: httpx.AsyncClient
    headers: dict[str, str]

    async def reports(self, kind: str, *items: dict[str, Any]) -> None:
        """Report a batch, every item of which must be stored."""
        for first in range(0, len(items), 1000):
            body = {"items": items[first : first + 1000]}
            answer = await self.api.post(f"/v1/runtime/{kind}", json=body, headers=self.headers)
            results = sent(answer, 200)["results"]
            assert {result["status"] for result in results} == {"stored"}, results[:3]

    async def holds(self, name: str, status: str, **members: Any) -> dict[str, Any]:
        """Report a position."""
        body = {"symbol": SYMBOL, "side": "long", "quantity": "2", "status": status, **members}
        path = f"/v1/runtime/positions/{name}"
        return sent(await self.api.put(path, json=body, headers=self.headers), 200)


async def new_runner(person: Person, environment: str = "live", **changes: Any) -> Runner:
    """Add a key, a trading asset and a bot to the account."""
    variant = changes.pop("variant", "trade")
    proof = credentials()["okx"][environment][variant]
    label = changes.pop("label", f"OKX {environment}")
    body = new_key("okx", environment=environment, label=label, **proof, **changes)
    key = sent(await person.api.post("/v1/keys", json=body), 201)
    asset = {"symbol": SYMBOL, "leverage": "10"}
    sent(await person.api.post(f"/v1/keys/{key['id']}/assets", json=asset), 201)
    name = f"Grid {environment}"
    bot = sent(await person.api.post("/v1/bots", json={"name": name}), 201)
    assigned = {"key_id": key["id"]}
    sent(await person.api.put(f"/v1/bots/{bot['id']}/key", json=assigned), 200)
    token = sent(await person.api.post(f"/v1/bots/{bot['id']}/token"), 201)["token"]
    return Runner(person, key, bot, person.api, {"Authorization": f"Bearer {token}"})


def trade(name: str, closed_at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """Return a trade with a P&L of 9.5 USDT: a long of 2 contracts of 0.01 BTC."""
    return {
        "id": name,
        "symbol": SYMBOL,
        "side": "long",
        "quantity": "2",
        "entry_price": "97000.5",
        "exit_price": "97500.5",
        "fees": "0.5",
        "opened_at": (closed_at - timedelta(minutes=5)).isoformat(),
        "closed_at": closed_at.isoformat(),
        **changes,
    }
