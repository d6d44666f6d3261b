"""Random concurrent changes over real connections."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx
from sqlalchemy import text

from tests.races.scene import INVERSE, LINEAR, Scene, outcome
from tests.races.statements import OPERATION

BLOCKED = (
    "409 frozen",
    "409 bot_paused",
    "409 no_key",
    "409 key_inactive",
    "409 key_cannot_trade",
    "409 withdrawal_permission",
    "409 credentials_rejected",
    "409 no_trading_assets",
    "409 unknown_asset",
    "409 asset_disabled",
)

# The answers that each change may get when it runs concurrently. Any other is a fault, above all
# 5xx.
ANSWERS: dict[str, tuple[str, ...]] = {
    "assign": (
        "200",
        "404 not_found",
        "409 key_inactive",
        "409 key_assigned",
        "409 open_positions",
    ),
    "unassign": ("200", "404 not_found", "409 open_positions"),
    "pause": ("200", "404 not_found"),
    "mint": ("201", "404 not_found"),
    "delete bot": ("204", "404 not_found", "409 open_positions"),
    "activate": ("200", "404 not_found"),
    "switch": ("200", "404 not_found", "409 bot_online", "409 open_positions"),
    "delete key": ("200", "404 not_found", "409 key_assigned"),
    # The key may have been switched to a contract type without this symbol.
    "add asset": ("201", "404 not_found", "409 asset_already_added", "422 unknown_symbol"),
    "change margin mode": ("200", "404 not_found", "409 position_open"),
    "enable": ("200", "404 not_found"),
    "remove asset": ("204", "404 not_found", "409 position_open"),
    "freeze": ("200", "201"),
    "lift": ("204", "404 not_found"),
    # 401 if the bot was deleted or its token replaced. A position keeps its key: a lapsed one
    # cannot be opened with another key.
    "opening": (
        "200",
        "401 unauthenticated",
        "409 position_conflict",
        "409 key_not_assigned",
        *BLOCKED,
    ),
    "open": ("200", "401 unauthenticated", "409 position_conflict", "409 no_key"),
    "closed": ("200", "401 unauthenticated", "409 position_conflict", "409 no_key"),
    "close by hand": ("200", "404 not_found"),
    "heartbeat": ("200", "401 unauthenticated"),
    "look": ("200", "401 unauthenticated"),
}


_HELD = """
    SELECT 1 FROM positions AS held WHERE held.account_id = :account
    AND (held.status = 'open' OR held.status = 'opening' AND held.expires_at > now())"""

# How a round begins, each statement in its own transaction: most bots may then open positions.
REPAIRS = (
    "DELETE FROM freezes WHERE account_id = :account",
    """
    UPDATE keys SET active = true, verification_status = 'skipped', permission_trade = 'unknown',
        permission_withdraw = 'unknown'
    WHERE account_id = :account AND (NOT active OR verification_status = 'rejected'
        OR permission_trade = 'no' OR permission_withdraw = 'yes')
    """,
    "UPDATE bots SET paused = false WHERE account_id = :account AND paused",
    "UPDATE trading_assets SET enabled = true WHERE account_id = :account AND NOT enabled",
    f"""
    UPDATE keys SET contract_type = 'linear'
    WHERE account_id = :account AND contract_type = 'inverse'
        AND NOT EXISTS ({_HELD} AND held.key_id = keys.id)
        AND NOT EXISTS (
            SELECT 1 FROM bots JOIN presence USING (account_id)
            WHERE bots.account_id = :account AND presence.bot_id = bots.id
            AND bots.key_id = keys.id AND presence.lease_until > now())
    """,  # noqa: S608  # text of our own
    f"""
    UPDATE bots SET key_id = free.id
    FROM (
        SELECT id, row_number() OVER (ORDER BY id) AS place FROM bots
        WHERE account_id = :account AND key_id IS NULL
            AND NOT EXISTS ({_HELD} AND held.bot_id = bots.id)
    ) AS idle JOIN (
        SELECT id, row_number() OVER (ORDER BY id) AS place FROM keys
        WHERE account_id = :account AND NOT EXISTS (
            SELECT 1 FROM bots WHERE account_id = :account AND key_id = keys.id)
    ) AS free USING (place)
    WHERE bots.account_id = :account AND bots.id = idle.id
    """,  # noqa: S608  # text of our own
    """
    INSERT INTO assignments (account_id, bot_id, key_id)
    SELECT account_id, id, key_id FROM bots
    WHERE account_id = :account AND key_id IS NOT NULL ON CONFLICT DO NOTHING
    """,
)


class Broken(Exception):
    """A broken rule of docs/rules.md, or an error in answer to concurrent changes."""


class Change(NamedTuple):
    name: str
    weight: int
    fire: Callable[[], Awaitable[httpx.Response]]


@dataclass
class Turmoil:
    """A few bots and keys, and changes to them drawn from a seed."""

    scene: Scene
    seed: int
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # interleavings, not secrets

    async def settle(self, bots: int = 3, keys: int = 3) -> None:
        """Undo what blocks openings and replace what was deleted, so that changes keep colliding.

        Now and then a bot falls silent.
        """
        scene, sessions = self.scene, self.scene.world.context.database.sessions
        for statement in REPAIRS:
            async with sessions.begin() as session:
                await session.execute(text(statement), {"account": scene.account_id})
        async with sessions() as session:
            listed = set(await session.scalars(text("SELECT id::text FROM bots")))
            scene.bots = {bot: token for bot, token in scene.bots.items() if bot in listed}
            scene.keys = list(await session.scalars(text("SELECT id::text FROM keys ORDER BY id")))
        while len(scene.bots) < bots:
            await scene.add_bot()
        while len(scene.keys) < keys:
            await scene.add_key(*LINEAR)
        for bot in scene.bots:
            if self.chance.random() < 0.5:
                await scene.fall_silent(bot)

    async def round(self, changes: int = 12) -> None:
        """Fire this many concurrent changes while a bot's reservations lapse and the worker
        sweeps.
        """
        drawn = [self._draw() for _ in range(changes)]
        lapsing = self.chance.choice(list(self.scene.bots))
        passing = asyncio.create_task(self._pass_time(lapsing))
        answers = await asyncio.gather(*(self._fire(change) for change in drawn))
        await passing
        for change, answer in zip(drawn, answers, strict=True):
            self.answers[change.name, outcome(answer)] += 1
            if outcome(answer) not in ANSWERS[change.name]:
                raise Broken(self.seed, change.name, answer.text)

    async def _pass_time(self, bot: str) -> None:
        await self.scene.lapse(bot)
        await self.scene.sweep()

    async def _fire(self, change: Change) -> httpx.Response:
        OPERATION.set(change.name)
        return await change.fire()

    async def _lift(self) -> httpx.Response:
        """Lift the account's freeze, late enough to know the id of one set in this round."""
        await asyncio.sleep(self.chance.random() / 2)
        return await self.scene.lift(scope="account")

    def _draw(self) -> Change:
        scene, chance = self.scene, self.chance
        bot, key = chance.choice(list(scene.bots)), chance.choice(scene.keys)
        symbol = chance.choice((*LINEAR, *INVERSE))
        position = f"{symbol}-{chance.randrange(2)}"
        yes = chance.random() < 0.5
        mode = chance.choice(("cross", "isolated"))
        kind = chance.choice(("linear", "inverse"))
        changes = (
            Change("assign", 8, lambda: scene.assign(bot, key)),
            Change("unassign", 3, lambda: scene.unassign(bot)),
            Change("pause", 2, lambda: scene.pause(bot, paused=yes)),
            Change("mint", 1, lambda: scene.mint(bot)),
            Change("delete bot", 1, lambda: scene.delete_bot(bot)),
            Change("activate", 4, lambda: scene.activate(key, active=yes)),
            Change("switch", 4, lambda: scene.switch(key, kind)),
            Change("delete key", 1, lambda: scene.delete_key(key)),
            Change("add asset", 3, lambda: scene.add_asset(key, symbol)),
            Change(
                "change margin mode", 4, lambda: scene.change_asset(key, symbol, margin_mode=mode)
            ),
            Change("enable", 3, lambda: scene.change_asset(key, symbol, enabled=yes)),
            Change("remove asset", 2, lambda: scene.remove_asset(key, symbol)),
            Change("freeze", 1, lambda: scene.freeze(scope="account")),
            Change("lift", 3, self._lift),
            Change("opening", 12, lambda: scene.report(bot, position, "opening", symbol)),
            Change("open", 4, lambda: scene.report(bot, position, "open", symbol)),
            Change("closed", 6, lambda: scene.report(bot, position, "closed", symbol)),
            Change("close by hand", 2, lambda: scene.close_by_hand(bot, position)),
            Change("heartbeat", 4, lambda: scene.heartbeat(bot)),
            Change("look", 2, lambda: scene.look(bot, accepted=yes)),
            Change("look", 1, lambda: scene.look(bot, accepted=True, withdraw="yes")),
        )
        return chance.choices(changes, [change.weight for change in changes])[0]
