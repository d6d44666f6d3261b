"""`botkeys health`: whether the process with these settings is ready, as `/readyz` answers it.

Whatever watches a process on its own machine asks this way: the image's HEALTHCHECK, which has no
other client of HTTP, and a unit of systemd that has started when it serves. It imports little, as
it runs every few seconds.
"""

import http.client
import json
import time
from collections.abc import Callable

from app.settings import Settings

SECONDS = 4.0
"""How long one answer may take; the checks of `/readyz` have limits of their own below that."""
PAUSE = 0.25
_LONGEST = 64 * 1024
_LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing listens
"""Where a process that listens on every address is reached from its own machine."""


def report_health(settings: Settings, echo: Callable[[str], None], *, wait: float = 0) -> bool:
    """Print one line and return whether the process is ready, or becomes so within `wait` seconds.

    Never raises: a process that does not respond, or responds with something else, is not ready.
    """
    deadline = time.monotonic() + wait
    while True:
        ready, sentence = _ask(*_address(settings))
        if ready or time.monotonic() >= deadline:
            echo(sentence)
            return ready
        time.sleep(PAUSE)


def _address(settings: Settings) -> tuple[str, int]:
    """Return host and port of `/readyz`: those for operators, if there are any."""
    if settings.operations_port is not None:
        host, port = settings.operations_host, settings.operations_port
    else:
        host, port = settings.host, settings.port
    return _LOCAL.get(host, host), port


def _ask(host: str, port: int) -> tuple[bool, str]:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        status, body = response.status, response.read(_LONGEST)
    except (OSError, http.client.HTTPException):
        return False, f"The process at {where} does not answer."
    finally:
        connection.close()
    if status == http.client.OK:
        return True, f"The process at {where} is ready."
    return False, f"The process at {where} is not ready: {_faults(body) or f'status {status}'}."


def _faults(body: bytes) -> str:
    """Return the checks that failed, as `/readyz` states them; empty if it states none."""
    try:
        checks = json.loads(body)["checks"]
        return ", ".join(f"{name} {result}" for name, result in checks.items() if result != "ok")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
