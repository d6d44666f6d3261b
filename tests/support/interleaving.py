"""Random changes fired at once over real connections, and what must hold of the rows after them."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
from sqlalchemy import text

from tests.support.variants import add_unchecked
from tests.support.world import User, World

EXPECTED = {200, 201, 204, 404, 409}
"""What a change that crosses another may answer. Never 5xx, never 422."""

# Each counts rows that must not be there.
INVARIANTS = {
    "a key with two bots": """
        SELECT count(*) FROM (
            SELECT key_id FROM bots WHERE key_id IS NOT NULL
            GROUP BY account_id, key_id HAVING count(*) > 1) AS doubled""",
    "a bot with a key that is gone": """
        SELECT count(*) FROM bots LEFT JOIN keys
            ON keys.account_id = bots.account_id AND keys.id = bots.key_id
        WHERE bots.key_id IS NOT NULL AND keys.id IS NULL""",
    "credentials without a key": """
        SELECT count(*) FROM key_credentials LEFT JOIN keys
            ON keys.account_id = key_credentials.account_id AND keys.id = key_credentials.key_id
        WHERE keys.id IS NULL""",
    "a key without credentials": """
        SELECT count(*) FROM keys LEFT JOIN key_credentials
            ON keys.account_id = key_credentials.account_id AND keys.id = key_credentials.key_id
        WHERE key_credentials.key_id IS NULL""",
    "a token without a bot": """
        SELECT count(*) FROM bot_tokens LEFT JOIN bots
            ON bots.account_id = bot_tokens.account_id AND bots.id = bot_tokens.bot_id
        WHERE bots.id IS NULL""",
    # The audit log is in the order of the commits: the newest word on `active` before an
    # assignment tells whether the key was active when it was assigned.
    "a key assigned while it was inactive": """
        SELECT count(*) FROM audit_events AS assigned WHERE action = 'bot.assign_key'
            AND outcome = 'allowed' AND 'false' = (
                SELECT details ->> 'active' FROM audit_events AS changed
                WHERE changed.account_id = assigned.account_id
                    AND changed.target_id = assigned.details ->> 'key_id'
                    AND changed.action = 'key.change' AND changed.outcome = 'allowed'
                    AND changed.details ? 'active' AND changed.sequence < assigned.sequence
                ORDER BY changed.sequence DESC LIMIT 1)""",
    "a bot or key changed after it was deleted": """
        SELECT count(*) FROM audit_events AS later JOIN audit_events AS gone
            ON gone.account_id = later.account_id AND gone.sequence < later.sequence
            AND gone.action IN ('bot.delete', 'key.delete') AND gone.outcome = 'allowed'
            AND gone.target_id IN (later.target_id, later.details ->> 'key_id')
        WHERE later.outcome = 'allowed'""",
}


async def violations(world: World) -> dict[str, int]:
    """The invariants that do not hold, with how many rows say so."""
    broken = {}
    async with world.context.database.sessions() as session:
        for name, query in INVARIANTS.items():
            count = await session.scalar(text(query))
            if count:
                broken[name] = count
    return broken


@dataclass
class Turmoil:
    """A few bots and keys, and changes to them drawn from a seed."""

    world: World
    seed: int
    bots: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _made: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # interleavings, not secrets

    @property
    def _user(self) -> User:
        return self.world.user()

    async def settle(self, bots: int = 3, keys: int = 3) -> None:
        """Replace what was deleted, so that there is always something to quarrel about."""
        listed = (await self._user.get("/v1/bots?limit=200")).json()["items"]
        self.bots = [bot["id"] for bot in listed]
        while len(self.bots) < bots:
            self.bots.append((await self._user.add_bot())["id"])
        listed = (await self._user.get("/v1/keys?limit=200")).json()["items"]
        self.keys = [key["id"] for key in listed]
        while len(self.keys) < keys:
            self._made += 1
            added = await add_unchecked(self._user, self.seed * 10_000 + self._made)
            self.keys.append(added["id"])

    async def round(self, changes: int = 12) -> None:
        """That many changes at once."""
        drawn = [self._draw() for _ in range(changes)]
        answers = await asyncio.gather(*(change() for _, change in drawn))
        for (name, _), answer in zip(drawn, answers, strict=True):
            self.answers[name, answer.status_code] += 1
            assert answer.status_code in EXPECTED, (self.seed, name, answer.text)

    def _draw(self) -> tuple[str, Callable[[], Awaitable[httpx.Response]]]:
        user, chance = self._user, self._random
        bot, key = chance.choice(self.bots), chance.choice(self.keys)
        active = chance.random() < 0.5
        changes: dict[str, tuple[int, Callable[[], Awaitable[httpx.Response]]]] = {
            "assign": (8, lambda: user.assign(bot, key)),
            "unassign": (3, lambda: user.delete(f"/v1/bots/{bot}/key")),
            "activate": (5, lambda: user.patch(f"/v1/keys/{key}", {"active": active})),
            "delete key": (1, lambda: user.delete(f"/v1/keys/{key}")),
            "delete bot": (1, lambda: user.delete(f"/v1/bots/{bot}")),
            "pause": (1, lambda: user.patch(f"/v1/bots/{bot}", {"paused": active})),
            "mint": (1, lambda: user.post(f"/v1/bots/{bot}/token")),
        }
        weights = [weight for weight, _ in changes.values()]
        name = chance.choices(list(changes), weights)[0]
        return name, changes[name][1]
