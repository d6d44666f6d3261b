"""Several processes that serve on one port, and the one that supervises them.

The supervisor listens and never accepts: each process has a copy of that socket and takes what it
has time for. They begin together, or the first would take all streams that wait for a service that
is started again. When one ends, what waits in the queue is left to the others.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import structlog

from app.kit.logging import configure_logging
from app.process.listening import listen, operations_listeners, report, reported
from app.process.stopping import StopRequest
from app.settings import PREFIX, Role, Settings, SettingsError

LONGEST_PAUSE = 30.0
"""Seconds before a process that keeps ending is started again, at most."""
SETTLED = 60.0
"""Seconds after which a process that ends is started again at once."""
TOGETHER_SECONDS = 30.0
"""Seconds that processes which are ready wait for the others at the start, at most."""
STOP_SECONDS = 15.0
"""Seconds that a process has to end; it gives its requests five."""

log = structlog.get_logger("botkeys.supervisor")


def run_processes(settings: Settings, role: Role, count: int) -> int:
    """Serve with `count` processes until asked to stop; return the exit status.

    A process that ends is started again, each time after a longer pause. If the first one cannot
    start, none is started, and its status is returned: what it printed says why.
    """
    _check_ports(settings, count)
    configure_logging(settings.log_level)
    with StopRequest() as stop, listen(settings) as listener:
        return stop.run(_Supervisor(settings, role, listener, stop).run(count))


def _check_ports(settings: Settings, count: int) -> None:
    first = settings.operations_port
    if first is None:
        return
    last = first + count - 1
    if last > 65535 or first <= settings.port <= last:
        raise SettingsError(
            f"{count} processes need the ports {first} to {last} for operators "
            "(BOTKEYS_OPERATIONS_PORT and those after it), which must be free and leave out "
            "BOTKEYS_PORT."
        )
    for port in range(first, last + 1):
        with operations_listeners(settings.model_copy(update={"operations_port": port})):
            pass  # it is free


class _Supervisor:
    def __init__(
        self, settings: Settings, role: Role, listener: socket.socket, stop: StopRequest
    ) -> None:
        self._settings = settings
        self._role = role
        self._listener = listener
        self._stop = stop
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._begun = False
        self._ready: list[int] = []

    async def run(self, count: int) -> int:
        try:
            return await self._stop.unless_asked(self._serve(count))
        finally:
            self._listener.close()
            await self._end(list(self._running.values()))

    async def _serve(self, count: int) -> int:
        """Keep the processes running; return only if the first one cannot start."""
        if not await self._start(0):
            return await self._running[0].wait() or 1
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._start(number)) for number in range(1, count)]
            await asyncio.wait(others, timeout=TOGETHER_SECONDS)
            self._begun = True
            while self._ready:
                report(self._ready.pop())
        log.info("processes_started", count=count, port=self._settings.port)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._keep(number))
        return 1

    async def _start(self, number: int) -> bool:
        """Start a process; return whether it became ready, however long that takes.

        It begins at once, or at the start with the others.
        """
        ready, its_ready = os.pipe()
        its_begin, begin = os.pipe()
        passed = (self._listener.fileno(), its_ready, its_begin)
        command = [sys.executable, "-m", "app", "serve", "--role", self._role]
        command += ["--sibling", str(os.getpid()), *map(str, passed)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command, env=self._environment(number), pass_fds=passed
            )
        finally:
            os.close(its_ready)
            os.close(its_begin)
        self._running[number] = process
        if not await reported(ready):
            os.close(begin)
            return False
        if self._begun:
            report(begin)
        else:
            self._ready.append(begin)
        return True

    async def _keep(self, number: int) -> None:
        """Start a process again whenever it has ended."""
        pause = 0.0
        while True:
            began = monotonic()
            status = await self._running[number].wait()
            pause = (
                0.0 if monotonic() - began >= SETTLED else min(max(1.0, pause * 2), LONGEST_PAUSE)
            )
            log.error("process_ended", number=number, status=status, starts_in=pause)
            await asyncio.sleep(pause)
            await self._start(number)

    def _environment(self, number: int) -> dict[str, str]:
        environment = dict(os.environ)
        if self._settings.operations_port is not None:
            port = self._settings.operations_port + number
            environment[f"{PREFIX}OPERATIONS_PORT"] = str(port)
        return environment

    async def _end(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        """Ask the processes to stop, and kill those that do not."""
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in processes]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=STOP_SECONDS)
        if late:
            log.error("processes_killed", count=len(late))
            for process in processes:
                with suppress(ProcessLookupError):
                    process.kill()
            await asyncio.wait(waits)
