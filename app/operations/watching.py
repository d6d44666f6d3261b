"""`botkeys operations watch`: the progress of an operation as a bar on the terminal."""

import asyncio
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.operations.documents import FINISHED
from app.secret import Secret
from app.settings import SettingsError
from app.transport import HttpTransport, TransportError, TransportLimits

LOOK_SECONDS = 1.0
MISSES = 5
# One try at a time, so that five and the pauses between them are over within 15 seconds.
_LIMITS = TransportLimits(connect_timeout=2.0, read_timeout=2.0, total_timeout=2.0, attempts=1)


async def watch(
    address: str,
    operation_id: UUID,
    token: Secret,
    console: Console,
    *,
    look_seconds: float = LOOK_SECONDS,
) -> bool:
    """Show its progress until it has ended; whether it succeeded.

    A service that is away for a moment is asked again. Raises `SettingsError` with a sentence for
    an address that is none, for `MISSES` looks in a row without an answer, and for an answer that
    will not become another.
    """
    _check(address)
    missed = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    url = f"{address}/v1/operations/{operation_id}"
    async with HttpTransport(_LIMITS) as transport:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("waiting", total=None)
            while True:
                document = await _look(transport, url, token)
                missed = missed + 1 if document is None else 0
                if missed == MISSES:
                    raise SettingsError(f"The service at {address} does not answer.")
                if document is not None:
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


def _check(address: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("The address of the service must begin with http:// or https://.")


def _described(document: dict[str, Any]) -> str:
    status: str = document["status"]
    if document["stalled"]:
        return "stalled: is a worker running?"
    if status == "running" and document["phase"]:
        return str(document["phase"]).replace("_", " ")
    return status


async def _look(transport: HttpTransport, url: str, token: Secret) -> dict[str, Any] | None:
    """The operation; `None` while the service cannot be reached."""
    try:
        answer = await transport.request(
            "GET", url, headers={"Authorization": f"Bearer {token.reveal()}"}
        )
    except TransportError:
        return None
    if answer.status >= 500:
        return None
    try:
        document: dict[str, Any] = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise SettingsError("What answers at this address is not this service.") from None
    if answer.status != 200:
        raise SettingsError(f"The service answers {answer.status}: {document.get('detail', '')}")
    return document
