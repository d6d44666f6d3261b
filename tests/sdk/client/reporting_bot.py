"""A bot as a process: it reports trades and a position through an outbox, and may be killed.

It prints nothing. What the client has taken stands in a file, written at once, one number a line.
"""

import argparse
import asyncio
import os
import resource
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from botkeys import BotClient
from botkeys.client import OutboxUnusable, Pace, Position

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUICK = Pace(shortest_pause=0.05, longest_pause=0.1, records=0.05)


def position(number: int) -> Position:
    return Position(
        id=f"p{number}",
        symbol="BTC-USDT-SWAP",
        side="long",
        status="closed",
        quantity=Decimal("0.5"),
        entry_price=Decimal(97_000),
        exit_price=Decimal(98_000) + number,
        opened_at=AT,
        closed_at=AT,
    )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--outbox")
    parser.add_argument("--taken", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=0, help="0: deliver what waits, and end")
    parser.add_argument(
        "--file-size", type=int, help="the largest file that this process may write"
    )
    parser.add_argument("--hold", help="the id of a position to report as open first")
    parser.add_argument("--close", action="store_true", help="close first what the bot holds")
    return parser.parse_args()


async def run(given: argparse.Namespace) -> None:
    token = given.token_file.read_text("ascii")
    taken = os.open(given.taken, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    async with BotClient(given.url, token, outbox=given.outbox, pace=QUICK) as bot, bot.running():
        if given.file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (given.file_size, given.file_size))
        if given.hold:
            opened = {"id": given.hold, "status": "open", "exit_price": None, "closed_at": None}
            bot.report(position(0).model_copy(update=opened))
            await bot.flush(30)
        if given.close:
            for held in await bot.positions():
                bot.close_position(held, exit_price=Decimal(98_000))
        for number in range(given.first, given.first + given.count):
            try:
                bot.record_trade(position(number))
            except OutboxUnusable as error:
                os.write(taken, f"{error.code}\n".encode())
                break
            os.write(taken, b"%d\n" % number)
            bot.report(position(given.first).model_copy(update={"exit_price": Decimal(number + 1)}))
            await asyncio.sleep(0)
        if given.count:
            os.write(taken, b"done\n")
            await asyncio.sleep(3600)
        await bot.flush(30)


if __name__ == "__main__":
    asyncio.run(run(options()))
