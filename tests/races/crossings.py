"""Two concurrent operations: the first is stopped between its check and its write, and the second
runs in between. Under its lock the second waits; without it, a rule breaks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, TypeAlias

import httpx

from tests.races.scene import LINEAR, Scene, outcome
from tests.races.statements import OPERATION, Gate, recorded_statements
from tests.races.watch import broken_in
from tests.support.waiting import is_waiting
from tests.support.world import World

SYMBOL = LINEAR[0]
_ACCOUNTS = count()


@dataclass(slots=True)
class Cast:
    """A bot and the key that it has or had. `spare` is a second key, for crossings that
    need one.
    """

    scene: Scene
    bot: str
    key: str
    spare: str = ""

    async def has_key(self) -> None:
        assert outcome(await self.scene.assign(self.bot, self.key)) == "200"

    async def has_key_and_spare(self) -> None:
        await self.has_key()
        self.spare = await self.scene.add_key(SYMBOL)

    async def has_key_of_bybit(self) -> None:
        """Have a key whose exchange account has one margin mode for both symbols."""
        self.key = await self.scene.add_key(*LINEAR, exchange="bybit")
        await self.has_key()

    async def had_key(self) -> None:
        await self.has_key()
        assert outcome(await self.scene.unassign(self.bot)) == "200"

    async def has_webhook(self) -> None:
        """Have a webhook as the spare object."""
        added = await self.scene.user.post("/v1/webhooks", {"url": "https://example.com/hook"})
        self.spare = added.json()["id"]

    async def had_key_and_spare(self) -> None:
        await self.had_key()
        self.spare = await self.scene.add_key(SYMBOL)

    async def has_key_and_sent_heartbeat(self) -> None:
        await self.has_key()
        assert outcome(await self.scene.heartbeat(self.bot)) == "200"
        await self.scene.fall_silent(self.bot)

    async def reserves(self) -> None:
        await self.has_key()
        assert outcome(await self.report("opening", revision=1)) == "200"

    async def report(self, status: str, **more: object) -> httpx.Response:
        return await self.scene.report(self.bot, "p", status, SYMBOL, **more)

    async def change_asset(self, **changes: object) -> httpx.Response:
        return await self.scene.change_asset(self.key, SYMBOL, **changes)


class Operation(NamedTuple):
    name: str
    do: Callable[[Cast], Awaitable[httpx.Response]]


OPENING = Operation("opening", lambda cast: cast.report("opening"))
OPEN = Operation("open", lambda cast: cast.report("open"))
OPEN_ON_FORMER_KEY = Operation("open", lambda cast: cast.report("open", key_id=cast.key))
CLOSED = Operation("closed", lambda cast: cast.report("closed", revision=5))
CLOSED_LATER = Operation("closed later", lambda cast: cast.report("closed", revision=9))
CLOSE_BY_HAND = Operation("close by hand", lambda cast: cast.scene.close_by_hand(cast.bot, "p"))
LOOK = Operation("look", lambda cast: cast.scene.look(cast.bot, accepted=False))
LOOK_WITHDRAW = Operation(
    "look that finds withdrawal",
    lambda cast: cast.scene.look(cast.bot, accepted=True, withdraw="yes"),
)
ORDERS = Operation("orders", lambda cast: cast.scene.count_orders(cast.bot, SYMBOL))
ADD_ASSET = Operation("add asset", lambda cast: cast.scene.add_asset(cast.key, LINEAR[1]))
ASSIGN = Operation("assign", lambda cast: cast.scene.assign(cast.bot, cast.key))
SWAP = Operation("swap", lambda cast: cast.scene.assign(cast.bot, cast.spare))
UNASSIGN = Operation("unassign", lambda cast: cast.scene.unassign(cast.bot))
PAUSE = Operation("pause", lambda cast: cast.scene.pause(cast.bot, paused=True))
DELETE_BOT = Operation("delete bot", lambda cast: cast.scene.delete_bot(cast.bot))
DEACTIVATE = Operation("deactivate", lambda cast: cast.scene.activate(cast.key, active=False))
SWITCH = Operation("switch", lambda cast: cast.scene.switch(cast.key, "inverse"))
DELETE_KEY = Operation("delete key", lambda cast: cast.scene.delete_key(cast.key))
CHANGE_MODE = Operation(
    "change margin mode", lambda cast: cast.change_asset(margin_mode="isolated")
)
CHANGE_MODE_OF_ALL = Operation(
    "change margin mode of all", lambda cast: cast.change_asset(margin_mode="isolated")
)
OPEN_ELSEWHERE = Operation(
    "open elsewhere", lambda cast: cast.scene.report(cast.bot, "p", "open", LINEAR[1])
)
ORDERS_ELSEWHERE = Operation(
    "orders elsewhere", lambda cast: cast.scene.count_orders(cast.bot, LINEAR[1])
)
DISABLE = Operation("disable", lambda cast: cast.change_asset(enabled=False))
REMOVE = Operation("remove asset", lambda cast: cast.scene.remove_asset(cast.key, SYMBOL))
FREEZE = Operation("freeze", lambda cast: cast.scene.freeze(scope="account"))
CHANGE_WEBHOOK = Operation(
    "change webhook",
    lambda cast: cast.scene.user.patch(f"/v1/webhooks/{cast.spare}", {"format": "ntfy"}),
)
HEARTBEAT = Operation("heartbeat", lambda cast: cast.scene.heartbeat(cast.bot))

ERROR = "an answer that is an error"
"""A foreign key or a check constraint takes the lock's place, and the caller gets a 500."""

Before: TypeAlias = Callable[[Cast], Awaitable[None]]


class Crossing(NamedTuple):
    """Two operations, and the rule that breaks `without` the first one's locks on these tables.

    If there are two tables, each lock alone keeps the rule: it breaks only when both are missing.
    """

    before: Before
    first: Operation
    second: Operation
    without: tuple[str, ...]
    breaks: str

    def __str__(self) -> str:
        return f"{self.first.name} and {self.second.name} without {' and '.join(self.without)}"


CROSSINGS = (
    Crossing(Cast.has_key, OPENING, FREEZE, ("accounts",), "an opening allowed in spite of frozen"),
    Crossing(
        Cast.has_key,
        OPENING,
        DEACTIVATE,
        ("keys",),
        "an opening allowed in spite of key_inactive",
    ),
    Crossing(
        Cast.has_key,
        OPENING,
        LOOK,
        ("keys",),
        "an opening allowed in spite of credentials_rejected",
    ),
    Crossing(
        Cast.has_key,
        OPENING,
        LOOK_WITHDRAW,
        ("keys",),
        "an opening allowed in spite of withdrawal_permission",
    ),
    Crossing(
        Cast.has_key,
        OPENING,
        SWITCH,
        ("bots", "keys"),
        "an opening allowed in spite of other_contract_type, unknown_asset",
    ),
    Crossing(
        Cast.has_key,
        OPENING,
        PAUSE,
        ("bots", "keys"),
        "an opening allowed in spite of bot_paused",
    ),
    Crossing(
        Cast.has_key_and_spare,
        OPENING,
        SWAP,
        ("bots", "keys"),
        "an opening allowed in spite of not_the_key_of_the_bot",
    ),
    Crossing(
        Cast.has_key,
        OPENING,
        DISABLE,
        ("trading_assets",),
        "an opening allowed in spite of asset_disabled",
    ),
    Crossing(
        Cast.has_key,
        OPENING,
        REMOVE,
        ("trading_assets",),
        "an opening allowed in spite of unknown_asset",
    ),
    Crossing(Cast.reserves, OPENING, CLOSED, ("positions",), ERROR),
    Crossing(
        Cast.has_key,
        OPEN,
        FREEZE,
        ("accounts",),
        "a position opened without permission and without an event",
    ),
    Crossing(Cast.reserves, OPEN, CLOSED, ("positions",), ERROR),
    Crossing(
        Cast.had_key,
        OPEN_ON_FORMER_KEY,
        DELETE_BOT,
        ("bots",),
        "a position held by a bot that is gone",
    ),
    Crossing(
        Cast.has_key,
        OPEN,
        DEACTIVATE,
        ("keys",),
        "a position opened without permission and without an event",
    ),
    Crossing(
        Cast.has_key,
        OPEN,
        DISABLE,
        ("trading_assets",),
        "a position opened without permission and without an event",
    ),
    Crossing(Cast.reserves, CLOSED, CLOSED_LATER, ("positions",), "a revision fell"),
    Crossing(Cast.reserves, CLOSE_BY_HAND, CLOSED, ("positions",), "a position went backwards"),
    Crossing(Cast.had_key, ASSIGN, DEACTIVATE, ("keys",), "a key assigned while it was inactive"),
    Crossing(
        Cast.had_key_and_spare,
        SWAP,
        OPEN_ON_FORMER_KEY,
        ("bots",),
        "a bot's key changed while it had open positions",
    ),
    Crossing(
        Cast.has_key,
        UNASSIGN,
        OPENING,
        ("bots", "keys"),
        "a bot's key changed while it had open positions",
    ),
    Crossing(
        Cast.had_key,
        DELETE_BOT,
        OPEN_ON_FORMER_KEY,
        ("bots",),
        "a bot deleted while it had open positions",
    ),
    Crossing(
        Cast.has_key,
        SWITCH,
        OPENING,
        ("bots", "keys"),
        "a contract type switched while a position was open",
    ),
    Crossing(
        Cast.has_key_and_sent_heartbeat,
        SWITCH,
        HEARTBEAT,
        ("presence",),
        "a contract type switched while the bot was online",
    ),
    Crossing(
        Cast.has_key,
        ORDERS,
        UNASSIGN,
        ("bots", "keys"),
        "orders counted for a key that the bot does not have",
    ),
    Crossing(
        Cast.has_key,
        UNASSIGN,
        ORDERS,
        ("bots", "keys"),
        "a bot's key changed while its orders rested",
    ),
    Crossing(
        Cast.has_key,
        SWITCH,
        ORDERS,
        ("bots", "keys"),
        "a contract type switched while orders rested",
    ),
    Crossing(
        Cast.has_key,
        CHANGE_MODE,
        ORDERS,
        ("trading_assets",),
        "a margin mode changed while orders rested on it",
    ),
    Crossing(
        Cast.has_key,
        REMOVE,
        ORDERS,
        ("trading_assets",),
        "an asset removed while orders rested on it",
    ),
    # Before its first heartbeat a bot has no presence row that could be locked.
    Crossing(
        Cast.has_key,
        SWITCH,
        HEARTBEAT,
        ("bots",),
        "a contract type switched while the bot was online",
    ),
    Crossing(Cast.had_key, DELETE_KEY, ASSIGN, ("keys",), ERROR),
    Crossing(Cast.had_key, ADD_ASSET, DELETE_KEY, ("keys",), ERROR),
    Crossing(
        Cast.has_key,
        CHANGE_MODE,
        OPENING,
        ("trading_assets",),
        "a margin mode changed while a position was open",
    ),
    # The other symbol's asset is locked by nobody, but the keys of its exchange account are.
    Crossing(
        Cast.has_key_of_bybit,
        CHANGE_MODE_OF_ALL,
        OPEN_ELSEWHERE,
        ("keys",),
        "a margin mode changed while a position was open",
    ),
    Crossing(
        Cast.has_key_of_bybit,
        CHANGE_MODE_OF_ALL,
        ORDERS_ELSEWHERE,
        ("keys",),
        "a margin mode changed while orders rested on it",
    ),
    Crossing(
        Cast.has_key,
        REMOVE,
        OPENING,
        ("trading_assets",),
        "an asset removed while a position was open",
    ),
)


async def meet(world: World, crossing: Crossing, *, without: tuple[str, ...] = ()) -> list[str]:
    """Let the operations meet once, in a new account; return the rules that broke."""
    scene = Scene(world, account=f"crossing {next(_ACCOUNTS)}")
    bot = await scene.add_bot()
    cast = Cast(scene, bot, await scene.add_key(SYMBOL))
    await crossing.before(cast)
    account_id = scene.bots[bot].account_id
    with recorded_statements(world.context.database.engine) as statements:
        statements.removed = {(crossing.first.name, table) for table in without}
        gate = statements.gates[crossing.first.name] = Gate()
        first = asyncio.create_task(_fire(crossing.first, cast))
        reached = asyncio.create_task(gate.reached.wait())
        await asyncio.wait({first, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        assert not first.done(), (crossing, outcome(first.result()))
        second = asyncio.create_task(_fire(crossing.second, cast))
        await _done_or_waiting(world, second)
        gate.let_go.set()
        answers = [outcome(await first), outcome(await second)]
    errors = [ERROR] if any(answer >= "5" for answer in answers) else []
    return errors + await broken_in(world, account_id)


async def _fire(operation: Operation, cast: Cast) -> httpx.Response:
    OPERATION.set(operation.name)
    return await operation.do(cast)


async def _done_or_waiting(world: World, task: asyncio.Task[httpx.Response]) -> None:
    """Wait until the task is done or waits for a lock. Nothing reports the latter, so this
    polls.
    """
    while not task.done() and not await is_waiting(world.context.database):
        await asyncio.wait({task}, timeout=0.001)
