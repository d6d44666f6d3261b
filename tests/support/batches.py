"""Batches as bots report them, and the rows that result."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text

from app.db.base import Base, new_id
from app.db.models import BotEvent, DeletionMark, EquitySnapshot, Funding, Signal, Trade
from tests.support.positions import SYMBOL
from tests.support.world import Bot, Json, World

TABLES: dict[str, type[Base]] = {
    "trades": Trade,
    "funding": Funding,
    "equity-snapshots": EquitySnapshot,
    "signals": Signal,
    "events": BotEvent,
}
KINDS = list(TABLES)
NOW = datetime.now(UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)


def item(kind: str, name: str, at: datetime = AN_HOUR_AGO, /, **changes: Any) -> Json:
    """Return an item of this kind with only its required members."""
    members: dict[str, Json] = {
        "trades": {
            "symbol": SYMBOL,
            "side": "long",
            "quantity": "2",
            "entry_price": "97000",
            "exit_price": "98000.5",
            "opened_at": (at - timedelta(minutes=5)).isoformat(),
            "closed_at": at.isoformat(),
        },
        "funding": {"symbol": SYMBOL, "amount": "-1.25", "settle": "USDT"},
        "equity-snapshots": {"equity": "10250.75", "settle": "USDT"},
        "signals": {"symbol": SYMBOL, "name": "breakout", "direction": "long"},
        "events": {"kind": "reconnected", "level": "info", "message": "The feed was away."},
    }
    when = {} if kind == "trades" else {"at": at.isoformat()}
    return {"id": name, **when, **members[kind], **changes}


async def report(bot: Bot, kind: str, *items: Any, **members: Any) -> list[Json]:
    """Report a batch that is accepted; return its verdicts."""
    answer = await bot.post(f"/v1/runtime/{kind}", {"items": list(items), **members})
    assert answer.status_code == 200, answer.text
    results: list[Json] = answer.json()["results"]
    assert [result["id"] for result in results] == [
        sent.get("id") if isinstance(sent, dict) and result["id"] is not None else None
        for sent, result in zip(items, results, strict=True)
    ]
    return results


def statuses(results: list[Json]) -> list[str]:
    """Return `stored`, `duplicate`, or the code of the refusal for each result."""
    return [str(result.get("code", result["status"])) for result in results]


async def rows(world: World, kind: str) -> dict[str, Json]:
    """Return the rows that bots reported, by their own ids."""
    table = TABLES[kind].__table__
    name = "reported_id" if kind == "events" else "id"
    async with world.context.database.sessions() as session:
        found = await session.execute(select(table).where(table.c[name].is_not(None)))
        return {row[name]: dict(row) for row in found.mappings()}


async def mark(world: World, bot: Bot, **columns: Any) -> None:
    """Add a deletion mark to the bot's account; `cutoff` may be `infinity`."""
    cutoff = columns.pop("cutoff")
    if cutoff == "infinity":
        cutoff = text("'infinity'")
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            insert(DeletionMark).values(
                account_id=bot.account_id, id=new_id(), cutoff=cutoff, **columns
            )
        )
