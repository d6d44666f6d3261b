"""The main job from end to end, as a story on the terminal: `python -m examples.demo`.

It starts a complete installation in a folder of its own: production mode with the roles apart, a
database, simulated exchanges and an issuer. It goes through the life of a key, and removes
everything. The exit status is 0 only if every step really happened.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

import httpx

from app.db.embedded import EmbeddedPostgresError
from botkeys.client import BotClientError
from examples import chapters, data_chapters, trading_chapters
from examples.scene import Scene
from examples.service import demo_service
from examples.story import StepFailed, Story
from examples.ten_exchanges import walk_through_all

STEPS: list[tuple[str, Callable[[Scene], Awaitable[None]]]] = [
    ("Start everything", chapters.start),
    ("Alice adds a testnet key of Binance", chapters.add_binance),
    ("Alice adds a key of OKX, its passphrase behind the secret", chapters.add_okx),
    ("Alice tries a key that can withdraw", chapters.refuse_withdrawal),
    ("The list shows masks", chapters.show_masks),
    ("A bot gets a token and the OKX key", chapters.give_bot_key),
    ("A second bot wants the same key", chapters.refuse_second_bot),
    ("Alice chooses what the bot may trade", trading_chapters.choose_assets),
    ("The bot opens its key and trades", chapters.trade),
    ("A bot starts, comes online and opens a position", trading_chapters.start_trading),
    ("What a position holds in place while it is open", trading_chapters.refuse_while_open),
    ("Alice deactivates the key", trading_chapters.deactivate),
    ("The bot is killed, and Alice closes its position by hand", trading_chapters.die),
    ("What the bot did is there to read", data_chapters.read_data),
    ("What it came to", data_chapters.recompute),
    ("A live key with a bot of its own: the two never mix", data_chapters.keep_apart),
    ("A freeze, and its end", data_chapters.freeze),
    ("Alice deletes the live key with all its data", data_chapters.delete_with_data),
    ("Alice takes the key away and deletes bot and keys", chapters.unassign_and_delete),
    ("Carol walks through all ten exchanges, live and testnet", walk_through_all),
    ("What the audit log has of it", chapters.read_audit),
    ("A search for every secret that was used", chapters.search_secrets),
]


async def narrate(story: Story) -> None:
    async with demo_service() as service, service.http() as http:
        scene = Scene(story, service, http)
        try:
            for title, act in STEPS:
                with story.step(title):
                    await act(scene)
        finally:
            await asyncio.shield(scene.end())


async def run(story: Story) -> int:
    """Run the story and print what went wrong, with the step; return the exit status."""
    task = asyncio.ensure_future(narrate(story))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except StepFailed as failure:
        story.fail(str(failure))
    except asyncio.CancelledError:
        story.fail("stopped")
        raise
    except (
        BotClientError,
        EmbeddedPostgresError,
        httpx.HTTPError,
        OSError,
        TimeoutError,
    ) as failure:
        story.fail(f"{type(failure).__name__}: {failure}")
    except (KeyError, TypeError, ValueError) as failure:
        # A response lacks expected members. The error's text may contain what was sent.
        story.fail(f"an answer is not as expected ({type(failure).__name__})")
    if story.steps_done < len(STEPS):
        return 1
    story.end(f"All {story.steps_done} steps happened; {story.checked} claims were checked.")
    print("`make demo PAGE=1` fills an account for the dashboard, and keeps its bots trading.")
    return 0


def main() -> None:
    # Bots log what is refused to them; here refusals are part of the story.
    logging.getLogger("botkeys.client").addHandler(logging.NullHandler())
    story = Story(sys.stdout)
    try:
        sys.exit(asyncio.run(run(story)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


if __name__ == "__main__":
    main()
