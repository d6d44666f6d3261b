"""A small but complete bot: `python -m examples.bot --url http://127.0.0.1:8000 --token-file FILE`.

It sends heartbeats, follows its configuration, opens and closes positions by a toy rule, and
reports them, with its trades, its paper equity, its signals and events. When its key is deactivated
it opens nothing more but keeps managing what is open; when the service is unavailable it carries on
and reports later. Ctrl-C closes what is open and ends the bot.

The token is read from a file that nobody else can read, because a command line is visible to
everyone.
"""

import argparse
import asyncio
import signal
import stat
import sys
from decimal import Decimal
from pathlib import Path

from botkeys.client import BotClient, BotClientError, HttpTransport, Pace, Secret
from examples.mean_reversion import MeanReversion
from examples.paper import Books
from examples.prices import Prices
from examples.trader import Trader


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.bot", description=__doc__)
    parser.add_argument("--url", required=True, help="the service")
    parser.add_argument("--token-file", required=True, type=Path, help="holds the bot's token")
    parser.add_argument("--key-id", help="accept this key and no other")
    parser.add_argument("--exchange", help="accept a key of this exchange and no other")
    parser.add_argument("--environment", choices=["live", "testnet"], default="testnet")
    parser.add_argument("--symbol", help="what to trade; else the first enabled asset")
    parser.add_argument("--tick", type=float, default=5.0, help="seconds from price to price")
    parser.add_argument("--window", type=int, default=8, help="prices that make the mean")
    parser.add_argument("--threshold", type=Decimal, default=Decimal("0.0002"))
    parser.add_argument("--hold", type=float, default=600.0, help="longest time, in seconds")
    parser.add_argument("--heartbeat", type=float, default=10.0, help="seconds between heartbeats")
    parser.add_argument("--equity", type=float, default=60.0, help="seconds between reports of it")
    return parser.parse_args(given)


def read_token(file: Path) -> Secret:
    """Read the token; raise `ValueError` for a file that others can read."""
    if stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{file} can be read by others: chmod 600 it")
    return Secret(file.read_text("ascii").strip())


class Voice:
    """A printer that prints a repeated sentence only once."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, sentence: str) -> None:
        if sentence != self._last:
            print(sentence, flush=True)
        self._last = sentence


async def run(given: argparse.Namespace) -> None:
    voice, stop = Voice(), asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    rule = MeanReversion(window=given.window, threshold=given.threshold, hold=given.hold)
    async with (
        HttpTransport() as http,
        BotClient(
            given.url,
            read_token(given.token_file),
            key_id=given.key_id,
            exchange=given.exchange,
            environment=given.environment,
            transport=http,
            pace=Pace(heartbeat=given.heartbeat, records=min(3.0, given.heartbeat)),
        ) as client,
        client.running(),
    ):
        voice.say(f"running as bot {client.bot_id}")
        reporting = asyncio.create_task(report_changes(client, voice))
        try:
            books = Books(client, every=given.equity, say=voice.say)
            books.event("started", f"The bot was started; it looks every {given.tick} s.")
            trader = Trader(
                client,
                Prices(http),
                rule,
                books,
                symbol=given.symbol,
                tick=given.tick,
                say=voice.say,
            )
            await trader.trade(stop)
        finally:
            reporting.cancel()
    voice.say("ended")


async def report_changes(client: BotClient, voice: Voice) -> None:
    previous = ""
    async for config in client.changes():
        key = "no key" if config.key is None else f"key {config.key.label}"
        blocked = ", ".join(config.blocked_by) or "nothing"
        sentence = f"configuration: {key}, {len(config.assets)} assets, blocked by {blocked}"
        if sentence != previous:
            voice.say(sentence)
        previous = sentence


def main() -> None:
    try:
        asyncio.run(run(arguments()))
    except (BotClientError, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
