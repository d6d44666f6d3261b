"""`botkeys operations watch`: the progress of an operation as a bar on the terminal."""

import asyncio
import os
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.domains.operations.repository import FINISHED
from app.settings import SettingsError
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, TransportError, TransportLimits
from botkeys.transport.outbound import Outbound, OutboundFault

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 8.0
PATIENCE_SECONDS = 120.0
"""How long the service may be unavailable: a restart takes seconds, a database recovery longer."""

_TOO_MANY = 429
# One attempt per request: `Absence` decides how long to keep trying.
_LIMITS = TransportLimits(connect_timeout=2.0, read_timeout=2.0, total_timeout=2.0, attempts=1)


async def watch(
    address: str,
    operation_id: UUID,
    token: Secret,
    console: Console,
    *,
    look_seconds: float = LOOK_SECONDS,
    patience: float = PATIENCE_SECONDS,
) -> bool:
    """Show an operation's progress until it has ended; return whether it succeeded.

    While the service is unavailable the request is repeated with growing pauses. Raises
    `SettingsError` with a sentence for an invalid address, for one that does not respond for
    `patience` seconds, and for a response that will not change.
    """
    _check(address)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    url = f"{address}/v1/operations/{operation_id}"
    async with HttpTransport(_LIMITS, outbound=_outbound()) as transport:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("waiting", total=None)
            absence = Absence(address, console, look_seconds, patience)
            while True:
                document = await _look(transport, url, token)
                if document is None:
                    progress.update(bar, description="the service does not respond")
                    await asyncio.sleep(absence.pause())
                    continue
                absence.over()
                progress.update(
                    bar,
                    description=_described(document),
                    completed=document["done"],
                    total=document["total"] or None,
                )
                if document["status"] in FINISHED:
                    break
                await asyncio.sleep(look_seconds)
    for kind, rows in ((document["receipt"] or {}).get("deleted") or {}).items():
        console.print(f"{rows:>12,} {kind.replace('_', ' ')}")
    if document["error"]:
        console.print(document["error"])
    return bool(document["status"] == "succeeded")


class Absence:
    """A period without a response of the service, which ends with the next response."""

    def __init__(self, address: str, console: Console, pause: float, patience: float) -> None:
        self._address = address
        self._console = console
        self._shortest = pause
        self._patience = patience
        self._since: float | None = None
        self._pause = pause

    def pause(self) -> float:
        """Return how long to wait before the next attempt; raise `SettingsError` after too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._pause = self._shortest
            self._console.print(
                f"The service at {self._address} does not respond. Waiting for up to "
                f"{self._patience:.0f} seconds; Ctrl-C ends the waiting, not the operation."
            )
        left = self._since + self._patience - now
        if left <= 0:
            raise SettingsError(f"The service at {self._address} does not respond.")
        pause = min(self._pause, left)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return pause

    def over(self) -> None:
        if self._since is not None:
            self._since = None
            self._console.print("The service responds again.")


def _check(address: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("The service's address must begin with http:// or https://.")


def _described(document: dict[str, Any]) -> str:
    status: str = document["status"]
    if document["stalled"]:
        return "stalled: is a worker running?"
    if status == "running" and document["phase"]:
        return str(document["phase"]).replace("_", " ")
    return status


def _outbound() -> Outbound:
    try:
        return Outbound.of_variables(os.environ)
    except OutboundFault as error:
        raise SettingsError(str(error)) from None


async def _look(transport: HttpTransport, url: str, token: Secret) -> dict[str, Any] | None:
    """Return the operation; `None` while the service cannot be reached or cannot respond."""
    try:
        answer = await transport.request(
            "GET", url, headers={"Authorization": f"Bearer {token.reveal()}"}
        )
    except TransportError:
        return None
    if answer.status >= 500 or answer.status == _TOO_MANY:
        return None
    try:
        document: dict[str, Any] = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise SettingsError("The server at this address is not a Botkeys service.") from None
    if answer.status != 200:
        detail = document.get("detail", "")
        raise SettingsError(f"The service responded with {answer.status}: {detail}")
    return document
