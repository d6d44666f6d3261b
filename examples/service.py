"""A complete service of the demo's own, with its folder, port and log, removed at the end."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from examples.story import StepFailed

_READY_SECONDS = 90
_STOP_SECONDS = 60
_TICK = 0.1
BOTKEYS = Path(sys.executable).with_name("botkeys")


@dataclass(slots=True)
class DemoService:
    """The demo's service: `data` is its BOTKEYS_DATA_DIR, `log` its standard output and error."""

    data: Path
    log: Path
    port: int
    environment: dict[str, str]
    process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Run `botkeys dev` in its own session: Ctrl-C reaches only the demo, which stops it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                BOTKEYS,
                "dev",
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(_READY_SECONDS), httpx.AsyncClient(trust_env=False) as http:
            while not await self._is_ready(http):
                if self.process.returncode is not None:
                    raise StepFailed(f"botkeys dev ended by itself: {self._last_line()}")
                await asyncio.sleep(_TICK)

    async def _is_ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def run(self, *arguments: str) -> str:
        """Return the output of another `botkeys` command on the same data folder."""
        process = await asyncio.create_subprocess_exec(
            BOTKEYS, *arguments, env=self.environment, stdout=PIPE
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise StepFailed(f"botkeys {arguments[0]} ended with status {process.returncode}")
        return output.decode()

    async def stop(self) -> int:
        """Stop the service as Ctrl-C would; return the exit status, -9 if it had to be killed."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


@asynccontextmanager
async def demo_service() -> AsyncIterator[DemoService]:
    """Provide a service that is not started yet; in the end stop it and remove its folder."""
    folder = Path(tempfile.mkdtemp(prefix="botkeys-demo-"))
    port = _free_port()
    data = folder / "data"
    foreign = {name: text for name, text in os.environ.items() if not name.startswith("BOTKEYS_")}
    own = {
        "BOTKEYS_MODE": "development",
        "BOTKEYS_DATA_DIR": str(data),
        "BOTKEYS_PORT": str(port),
        # Short enough that a dead bot is noticed while the story runs, and long enough that a live
        # one is not missed on a busy machine.
        "BOTKEYS_HEARTBEAT_LEASE": "4",
        # On a busy machine the story waits instead of being asked to retry.
        "BOTKEYS_DATABASE_POOL_TIMEOUT": "30",
        "BOTKEYS_DATABASE_STATEMENT_TIMEOUT": "30",
        "BOTKEYS_KEY_CHECK_TIMEOUT": "25",
    }
    service = DemoService(data, folder / "botkeys.log", port, {**foreign, **own})
    try:
        yield service
    finally:
        await asyncio.shield(_end(service, folder))


async def _end(service: DemoService, folder: Path) -> None:
    await service.stop()
    shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
