"""One account's bots, keys and assets, and everything that can be done to them, by name."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from app.domains.catalogue.repository import CatalogueKey
from app.worker.housekeeping import lapse_openings
from botkeys.exchanges.model import ContractType
from tests.support.catalogue import BINANCE, instrument, list_instruments
from tests.support.variants import add_unchecked
from tests.support.world import Bot, Json, User, World

BINANCE_INVERSE = CatalogueKey(
    BINANCE.exchange, BINANCE.environment, BINANCE.region, ContractType.INVERSE
)
BYBIT = CatalogueKey("bybit", BINANCE.environment, None, ContractType.LINEAR)
LINEAR = ("BTCUSDT", "ETHUSDT")
INVERSE = ("BTCUSD_PERP",)
MAX_LEVERAGE = "20"


async def list_symbols(world: World) -> None:
    """List what the keys of these tests can trade, so that no catalogue is fetched."""
    for place in (BINANCE, BYBIT):
        await list_instruments(
            world, place, *(instrument(name, max_leverage=MAX_LEVERAGE) for name in LINEAR)
        )
    inverse = (
        instrument(name, max_leverage=MAX_LEVERAGE, contract_type=ContractType.INVERSE)
        for name in INVERSE
    )
    await list_instruments(world, BINANCE_INVERSE, *inverse)


def outcome(answer: httpx.Response) -> str:
    """Return the status of an answer, and a problem's code: `200`, `409 key_inactive`."""
    if answer.status_code < 400:
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['code']}"


@dataclass(slots=True)
class Scene:
    """Bots by id, with their tokens; keys by id; freezes by target."""

    world: World
    account: str = "alice"
    bots: dict[str, Bot] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    freezes: dict[str | None, str] = field(default_factory=dict)
    _made: int = 0

    @property
    def user(self) -> User:
        return self.world.user(self.account)

    @property
    def account_id(self) -> UUID:
        return self.world.account_id(self.account)

    async def add_bot(self) -> str:
        bot_id: str = (await self.user.add_bot())["id"]
        self.bots[bot_id] = await self.user.mint(bot_id)
        return bot_id

    async def add_key(self, *symbols: str, exchange: str = "binance") -> str:
        """Add a linear key with these assets."""
        self._made += 1
        key: Json = await add_unchecked(self.user, self._made, exchange=exchange)
        self.keys.append(key["id"])
        for symbol in symbols:
            assert outcome(await self.add_asset(key["id"], symbol)) == "201"
        return str(key["id"])

    # The user's actions on bots and keys.

    async def assign(self, bot: str, key: str) -> httpx.Response:
        return await self.user.assign(bot, key)

    async def unassign(self, bot: str) -> httpx.Response:
        return await self.user.delete(f"/v1/bots/{bot}/key")

    async def pause(self, bot: str, paused: bool) -> httpx.Response:
        return await self.user.patch(f"/v1/bots/{bot}", {"paused": paused})

    async def mint(self, bot: str) -> httpx.Response:
        answer = await self.user.post(f"/v1/bots/{bot}/token")
        if answer.status_code == 201:
            self.bots[bot] = Bot(self.world.http, answer.json()["token"])
        return answer

    async def delete_bot(self, bot: str) -> httpx.Response:
        return await self.user.delete(f"/v1/bots/{bot}")

    async def activate(self, key: str, active: bool) -> httpx.Response:
        return await self.user.patch(f"/v1/keys/{key}", {"active": active})

    async def switch(self, key: str, contract_type: str) -> httpx.Response:
        return await self.user.patch(f"/v1/keys/{key}", {"contract_type": contract_type})

    async def delete_key(self, key: str) -> httpx.Response:
        return await self.user.delete(f"/v1/keys/{key}")

    # The user's actions on assets and positions.

    async def add_asset(self, key: str, symbol: str, leverage: str = "10") -> httpx.Response:
        new = {"symbol": symbol, "leverage": leverage}
        return await self.user.post(f"/v1/keys/{key}/assets", new)

    async def change_asset(self, key: str, symbol: str, **changes: object) -> httpx.Response:
        return await self.user.patch(f"/v1/keys/{key}/assets/{symbol}", changes)

    async def remove_asset(self, key: str, symbol: str) -> httpx.Response:
        return await self.user.delete(f"/v1/keys/{key}/assets/{symbol}")

    async def close_by_hand(self, bot: str, position: str) -> httpx.Response:
        return await self.user.post(f"/v1/positions/{position}/close?bot_id={bot}")

    # The user's actions on the whole account.

    async def freeze(self, **target: str) -> httpx.Response:
        answer = await self.user.post("/v1/freezes", target)
        if answer.is_success:
            self.freezes[target.get("key_id")] = answer.json()["id"]
        return answer

    async def lift(self, **target: str) -> httpx.Response:
        """Lift the last freeze of the target; if there is none, a freeze that never existed."""
        freeze_id = self.freezes.get(target.get("key_id")) or str(uuid4())
        return await self.user.delete(f"/v1/freezes/{freeze_id}")

    # The bot's actions.

    async def report(
        self, bot: str, position: str, status: str, symbol: str, **more: object
    ) -> httpx.Response:
        body = {"symbol": symbol, "side": "long", "status": status, "quantity": "1", **more}
        return await self.bots[bot].put(f"/v1/runtime/positions/{position}", body)

    async def count_orders(self, bot: str, *symbols: str) -> httpx.Response:
        orders = [{"symbol": symbol, "count": 1} for symbol in symbols]
        return await self.bots[bot].put("/v1/runtime/orders", {"orders": orders})

    async def heartbeat(self, bot: str) -> httpx.Response:
        return await self.bots[bot].post("/v1/runtime/heartbeat")

    async def look(
        self, bot: str, *, accepted: bool, trade: str = "yes", withdraw: str = "no"
    ) -> httpx.Response:
        """Send a heartbeat that reports how the exchange responded to the key."""
        permissions = {"trade": trade, "withdraw": withdraw}
        found: Json = {"status": "ok", "permissions": permissions}
        if not accepted:
            found = {"status": "rejected", "reason": "invalid_key"}
        look = {"version": 1, "checked_at": datetime.now(UTC).isoformat(), **found}
        return await self.bots[bot].post("/v1/runtime/heartbeat", {"credentials": look})

    # The passing of time.

    async def lapse(self, bot: str) -> None:
        """Let the bot's reservations expire, as if they had not been renewed.

        Lapsed ones are left alone: a later end would look like a newly granted opening.
        """
        await self._pass(
            "UPDATE positions SET expires_at = statement_timestamp() - interval '2 hours'"
            " WHERE account_id = :account AND bot_id = cast(:bot AS uuid) AND status = 'opening'"
            " AND expires_at > statement_timestamp()",
            bot,
        )

    async def sweep(self) -> None:
        """Do what the worker does with openings that lapsed long ago."""
        await lapse_openings(self.world.context.database.sessions)

    async def fall_silent(self, bot: str) -> None:
        """Let the bot's lease expire, as if it had sent no heartbeat for a while."""
        await self._pass(
            "UPDATE presence SET lease_until = statement_timestamp() - interval '1 second'"
            " WHERE account_id = :account AND bot_id = cast(:bot AS uuid)",
            bot,
        )

    async def _pass(self, statement: str, bot: str) -> None:
        async with self.world.context.database.sessions.begin() as session:
            await session.execute(text(statement), {"account": self.account_id, "bot": bot})
