"""Calls a library or reads a file as often as it can, from several threads; no server is asked.

It runs with the Python of the peer that it measures, so it imports nothing of ours:

    echo '{"callers": 16, "seconds": 1}' | python in_process.py keyfile FOLDER
    echo … | python in_process.py plain-file FOLDER

FOLDER keeps what is read; it is made at the first call.
"""

import importlib
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEYS = 50
_PASSWORD = b"of the benchmark"


def keyfile(folder: Path) -> Callable[[], None]:
    """Return the opening of a stored value in Ethereum's keyfile format, version 3.

    PBKDF2 with as many iterations as the library does by default, as hummingbot has it; the value
    has the length of a private key, since the library stores nothing else.
    """
    stored = folder / "keyfile.json"
    if not stored.exists():
        library: Any = importlib.import_module("eth_keyfile")
        made = library.create_keyfile_json(os.urandom(32), _PASSWORD, kdf="pbkdf2")
        stored.write_text(json.dumps(made))
    accounts: Any = importlib.import_module("eth_account").Account
    text = stored.read_text()
    return lambda: accounts.decrypt(text, _PASSWORD.decode())


def plain_file(folder: Path) -> Callable[[], None]:
    """Return the reading of a file with 50 keys, from which one is taken."""
    stored = folder / "api-keys.json"
    if not stored.exists():
        entries = {
            f"user_{number:02}": {"exchange": "bybit", "key": "k" * 36, "secret": "s" * 64}
            for number in range(KEYS)
        }
        stored.write_text(json.dumps(entries, indent=4))
    return lambda: json.loads(stored.read_bytes())["user_25"]["secret"]


CALLS = {"keyfile": keyfile, "plain-file": plain_file}


def run(call: Callable[[], Any], callers: int, seconds: float) -> dict[str, Any]:
    """Return what benchmarks.load measures. Each caller calls at least once, however long it takes.

    The first call, which is alone, is not counted.
    """
    first = time.perf_counter()
    call()
    began = time.perf_counter()
    end = began + seconds
    took: list[list[float]] = [[] for _ in range(callers)]

    def repeat(mine: list[float]) -> None:
        while (before := time.perf_counter()) < end or not mine:
            call()
            mine.append(time.perf_counter() - before)

    threads = [threading.Thread(target=repeat, args=(mine,)) for mine in took]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = time.perf_counter() - began
    ordered = sorted(value for mine in took for value in mine)
    return {
        "requests": len(ordered),
        "per_second": len(ordered) / whole,
        "p50": _quantile(ordered, 0.5) * 1000,
        "p99": _quantile(ordered, 0.99) * 1000,
        "body_bytes": 0,
        "answered": len(ordered),
        "resident_mib": _resident_mib(),
        "alone_ms": (began - first) * 1000,
    }


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def _resident_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


if __name__ == "__main__":
    prepared = CALLS[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps(run(prepared, **json.loads(sys.stdin.read()))))
