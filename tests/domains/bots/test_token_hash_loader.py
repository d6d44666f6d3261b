"""Bots that call at the same moment have their tokens read in one round trip, each its own."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from app.db.driver import Rows, Statement
from app.domains.bots.token_repository import TOKEN_HASHES, TokenHashLoader


class Stored:
    """Answers from a dictionary, when the test allows it, and notes what was asked together."""

    def __init__(self, hashes: dict[UUID, bytes]) -> None:
        self.hashes = hashes
        self.asked: list[list[UUID]] = []
        self.gate = asyncio.Event()

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        return await self.fetch_many(statement, [parameters])

    async def fetch_many(self, statement: Statement, many: Sequence[dict[str, Any]]) -> Rows:
        assert statement is TOKEN_HASHES
        self.asked.append([parameters["bot"] for parameters in many])
        await self.gate.wait()
        return [
            (self.hashes[one["bot"]], one["number"]) for one in many if one["bot"] in self.hashes
        ]


async def test_each_bot_gets_its_own_hash_and_one_that_is_gone_none() -> None:
    account, bots = uuid4(), [uuid4() for _ in range(6)]
    stored = Stored({bot: bot.bytes for bot in bots[:-1]})
    loader = TokenHashLoader(stored)

    reading = [asyncio.create_task(loader.read(account, bot)) for bot in bots]
    for _ in range(5):
        await asyncio.sleep(0)
    stored.gate.set()
    found = await asyncio.gather(*reading)
    await loader.close()

    assert found == [*(bot.bytes for bot in bots[:-1]), None]
    assert sorted(bot for asked in stored.asked for bot in asked) == sorted(bots)
    assert len(stored.asked) < len(bots)
