"""The simulated exchanges by themselves, on fixed ports, for the tests of bots."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.process.stopping import StopRequest
from app.simulator import Simulator
from app.simulator.control import Control
from app.simulator.http_server import HttpServer
from app.simulator.ports import CONTROL_OFFSET, Ports, plan
from botkeys.exchanges.ccxt_addresses import all_at
from botkeys.exchanges.model import ExchangeId
from botkeys.exchanges.registry import simulated_hosts

Say = Callable[[str], None]


def serve_simulator(
    *,
    host: str,
    base: int,
    ports: Ports,
    registered: Path,
    write: Path | None,
    show: Say,
    say: Say,
) -> int:
    """Serve until a signal, and return the exit status. `show` gets the document, `say` sentences.

    Raises PortUnavailable for a port that is taken, and OSError if the file cannot be written.
    """
    with StopRequest() as stop:
        simulator = Simulator(registered=registered, host=host, ports=ports)
        return stop.run(_serve(simulator, stop, host, ports, base, write, show, say))


def read_ports(base: int, chosen: Sequence[str]) -> Ports:
    """Return the port of each exchange. Raises ValueError for what cannot be."""
    firsts = {}
    for text in chosen:
        exchange, _, port = text.partition("=")
        if not port.isascii() or not port.isdecimal():
            raise ValueError(f"{text!r} is not EXCHANGE=PORT, such as okx=9000")
        firsts[exchange] = int(port)
    return plan(base, firsts)


async def _serve(
    simulator: Simulator,
    stop: StopRequest,
    host: str,
    ports: Ports,
    base: int,
    write: Path | None,
    show: Say,
    say: Say,
) -> int:
    about: dict[str, Any] = {}
    control = HttpServer(Control(simulator, about).answer, host, base + CONTROL_OFFSET)
    async with simulator:
        address = await control.start()
        try:
            about.update(document(simulator.hosts, address))
            text = json.dumps(about, indent=2)
            show(text)
            numbers = [port for places in ports.values() for port in places.values()]
            say(f"Simulated exchanges listen on ports {min(numbers)} to {max(numbers)} of {host}.")
            say(f"{address} shows calls and makes exchanges fail. Ctrl-C stops them.")
            with _written(write, f"{text}\n"):
                await stop.event.wait()
        finally:
            await control.stop()
    return 0


def document(hosts: Mapping[str, Mapping[str, str]], control: str) -> dict[str, Any]:
    """Return what a test needs to lead a bot, ccxt or a service to the simulated exchanges."""
    return {
        "addresses": {exchange: dict(places) for exchange, places in hosts.items()},
        "exchange_hosts": simulated_hosts(hosts),
        "ccxt_urls": {
            exchange: {place: all_at(ExchangeId(exchange), at) for place, at in places.items()}
            for exchange, places in hosts.items()
        },
        "control": control,
    }


@contextmanager
def _written(path: Path | None, text: str) -> Iterator[None]:
    """Keep a file, written as a whole: its appearance says that all exchanges listen."""
    if path is None:
        yield
        return
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, "utf-8")
    new.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
