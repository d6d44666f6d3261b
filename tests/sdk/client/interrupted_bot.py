"""A program that is not asynchronous: it is forked, waits for a change, and gets Ctrl-C.

It prints nothing. It ends with 7 if all goes as it should.
"""

import os
import sys
from pathlib import Path

from botkeys.client import Pace
from botkeys.sync import BotClient

PACE = Pace(shortest_pause=0.05, longest_pause=0.1)


def work(url: str, token: str, ready: Path) -> int:
    with BotClient(url, token, pace=PACE) as bot, bot.running():
        bot.heartbeat()
        child = os.fork()
        if not child:
            try:
                bot.heartbeat()
            except RuntimeError as error:
                os._exit(0 if "fork" in str(error) else 2)
            os._exit(1)
        if os.waitpid(child, 0)[1]:
            return 3
        bot.heartbeat()
        ready.touch()
        try:
            for _ in bot.changes():
                return 4
        except KeyboardInterrupt:
            bot.heartbeat()
            return 7
    return 5


if __name__ == "__main__":
    address, token_file, file = sys.argv[1:]
    sys.exit(work(address, Path(token_file).read_text("ascii"), Path(file)))
