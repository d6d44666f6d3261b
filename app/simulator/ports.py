"""Which port each simulated exchange has, where ports are fixed.

Exchanges stand ten ports apart in the order of `EXCHANGES`, so that an environment more changes no
other exchange's port; the first is live, then testnet, then Demo Trading.
"""

from collections.abc import Mapping

from app.simulator import ids

DEFAULT_BASE = 8600
CONTROL_OFFSET = 99
_SLOTS = 10
_HIGHEST = 65_535

Ports = Mapping[str, Mapping[str, int]]
"""`{exchange: {environment: port}}`."""


def plan(base: int = DEFAULT_BASE, chosen: Mapping[str, int] | None = None) -> Ports:
    """Return the ports of all exchanges; `chosen` names the first port of single ones.

    Raises ValueError if an exchange is unknown, or two would have the same port.
    """
    firsts = {exchange: base + _SLOTS * at for at, exchange in enumerate(ids.EXCHANGES)}
    for exchange, port in (chosen or {}).items():
        ids.check(exchange, ids.LIVE)
        firsts[exchange] = port
    ports = {
        exchange: {place: first + at for at, place in enumerate(ids.places(exchange))}
        for exchange, first in firsts.items()
    }
    taken: dict[int, str] = {base + CONTROL_OFFSET: "the control port"}
    for exchange, places in ports.items():
        for port in places.values():
            if not 1 <= port <= _HIGHEST:
                raise ValueError(f"{exchange} would have port {port}, which does not exist")
            if port in taken:
                raise ValueError(f"{exchange} and {taken[port]} would share port {port}")
            taken[port] = exchange
    return ports
