"""The dashboard with something on it: `make demo PAGE=1`.

Starts the service of development in a folder of its own, fills an account with a month of trading,
lets its bots go on, and prints a link that signs in to the page. Ctrl-C ends it, and removes all.
"""

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from botkeys.client import BotClient, BotClientError, MayNotOpen
from examples.furnished import SYMBOLS, Furnished, furnish

BOTKEYS = Path(sys.executable).with_name("botkeys")
ACCOUNT = "alice"
_READY = "Ctrl-C"
_READY_SECONDS = 120
_STOP_SECONDS = 30
_PRICES = {"XBTUSD": "97000", "ETHUSDT": "3600", "BTCUSDT": "97000"}
_HOLD_SECONDS = (8.0, 25.0)
_RETRY_SECONDS = 5.0


@asynccontextmanager
async def service(folder: str) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Run `botkeys dev` on a free port; yield its address and its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOTKEYS_")}
    environment = kept | {"BOTKEYS_DATA_DIR": folder, "BOTKEYS_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        BOTKEYS, "dev", env=environment, stdout=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await _until_ready(process)
        drained = asyncio.create_task(_drain(process))
        yield f"http://127.0.0.1:{port}", environment
        drained.cancel()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)


async def _until_ready(process: Process) -> None:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    async for line in process.stdout:
        if _READY in line.decode():
            return
    raise RuntimeError("the service did not start; `make run` shows why")


async def _drain(process: Process) -> None:
    """Read on, so that the service never waits for somebody to read what it prints."""
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    async for _ in process.stdout:
        pass


async def _printed(environment: dict[str, str], *command: str) -> str:
    process = await asyncio.create_subprocess_exec(BOTKEYS, *command, env=environment, stdout=PIPE)
    text, _ = await process.communicate()
    return text.decode().strip()


async def trade(address: str, made: Furnished, name: str) -> None:
    """Let one bot trade for as long as the page is looked at, whatever is done to it there."""
    while True:
        with suppress(BotClientError):
            async with BotClient(address, made.tokens[name]) as client, client.running():
                await client.credentials()
                while True:
                    await _round_trip(client, name)
        await asyncio.sleep(_RETRY_SECONDS)


async def _round_trip(client: BotClient, name: str) -> None:
    """Open and close a position of random length and outcome."""
    chance = random.Random()  # noqa: S311  # a story, not a secret
    symbol = chance.choice(SYMBOLS[name])
    price = Decimal(_PRICES.get(symbol, "97000"))
    side = chance.choice(["long", "short"])
    try:
        position = await client.open_position(symbol, side, Decimal(1))
    except MayNotOpen:
        await asyncio.sleep(_RETRY_SECONDS)
        return
    position = client.opened(position, entry_price=price)
    await asyncio.sleep(chance.uniform(*_HOLD_SECONDS))
    move = Decimal(str(round(chance.gauss(0.0003, 0.004), 5)))
    position = client.close_position(position, exit_price=price * (1 + move))
    gained = (move > 0) == (side == "long")
    client.record_trade(position, exit_reason="target" if gained else "stop")


async def show() -> None:
    with tempfile.TemporaryDirectory(prefix="botkeys-page-") as folder:
        async with AsyncExitStack() as stack:
            print("Starting the service, with simulated exchanges …", flush=True)
            address, environment = await stack.enter_async_context(service(folder))
            token = await _printed(environment, "token", "--account", ACCOUNT)
            api = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60
                )
            )
            runtime = await stack.enter_async_context(
                httpx.AsyncClient(base_url=address, timeout=60)
            )
            print("Filling an account: nine keys, three bots, a month of trades …", flush=True)
            made = await furnish(api, runtime)
            link = await _printed(environment, "dashboard", "--account", ACCOUNT)
            print(
                f"\nOpen this link, once, within 15 minutes:\n  {link}\n"
                f"Another link: BOTKEYS_DATA_DIR={folder} BOTKEYS_PORT={urlsplit(address).port} "
                f"{BOTKEYS} dashboard --account {ACCOUNT}\nCtrl-C ends it.",
                flush=True,
            )
            async with asyncio.TaskGroup() as bots:
                for name in made.tokens:
                    bots.create_task(trade(address, made, name))


def main() -> int:
    """Return the exit status: 0 after Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        asyncio.run(show())
    return 0


if __name__ == "__main__":
    sys.exit(main())
