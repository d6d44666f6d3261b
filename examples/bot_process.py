"""The bot of `examples/bot.py` as the demo runs it: a separate process whose output is read."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

from examples.story import StepFailed

_ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 90.0


class BotProcess:
    """A running bot; `lines` is everything that it has printed so far."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._news = asyncio.Condition()
        self._ended = False
        self.pid = process.pid
        self.lines: list[str] = []
        self._listening = asyncio.create_task(self._listen())

    async def says(self, what: str, *, after: int = 0) -> str:
        """Wait for a line that begins with `what`, after the first `after` lines; return it."""

        def found() -> str | None:
            return next((line for line in self.lines[after:] if line.startswith(what)), None)

        try:
            async with asyncio.timeout(_PATIENCE), self._news:
                await self._news.wait_for(lambda: self._ended or found() is not None)
        except TimeoutError:
            raise StepFailed(f"the bot did not say: {what}") from None
        line = found()
        if line is None:
            raise StepFailed(f"the bot ended before it printed: {what}")
        return line

    async def interrupt(self, number: int) -> int:
        """Send the signal; return the exit status."""
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(_PATIENCE):
            status = await self._process.wait()
            await self._listening
        return status

    async def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # for the type checker: a pipe
        async for line in self._process.stdout:
            async with self._news:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._news.notify_all()
        async with self._news:
            self._ended = True
            self._news.notify_all()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._listening


async def start_bot(url: str, token_file: Path, *options: str) -> BotProcess:
    """Start the bot in a session of its own: Ctrl-C reaches only the demo, which ends the bot."""
    program = [sys.executable, "-m", "examples.bot", "--url", url, "--token-file", str(token_file)]
    process = await asyncio.create_subprocess_exec(
        *program,
        *options,
        cwd=_ROOT,
        env={name: text for name, text in os.environ.items() if not name.startswith("BOTKEYS_")},
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    return BotProcess(process)
