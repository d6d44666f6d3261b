"""Writers that keep books of what the service acknowledged, to compare with what is stored."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from tests.processes.trading import Trader

Send = Callable[[str], httpx.Response]
LEAST_PAUSE = 0.05
"""Seconds between the requests of one writer, so that no quota stands in its way."""


@dataclass(slots=True)
class Books:
    """The ids that writers sent, by what they were answered. `denied`: nothing was changed."""

    acknowledged: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def last_success(self) -> float:
        """The moment of the last acknowledged write, 0 before the first."""
        return self.successes[-1] if self.successes else 0.0

    def first_success_after(self, moment: float) -> float:
        return next(each for each in self.successes if each > moment)

    def enter(self, name: str, answer: httpx.Response | None) -> None:
        """Enter an answer; `None` if there was none, which says nothing about the change."""
        with self._lock:
            if answer is None:
                self.answers["none"] += 1
            elif answer.is_success:
                self.answers["success"] += 1
                self.acknowledged.add(name)
                self.successes.append(time.monotonic())
            else:
                code = answer.json()["code"]
                self.answers[code] += 1
                if code in ("unavailable", "request_in_progress", "rate_limited"):
                    self.denied.add(name)
                elif code != "outcome_unknown":
                    self.wrong.append(answer.text)

    def agree_with(self, stored: set[str]) -> None:
        """Check that what was acknowledged is stored, and what was denied is not."""
        assert not self.wrong, self.wrong[:3]
        lost = self.acknowledged - stored
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged writes were lost"
        untrue = self.denied & stored
        assert not untrue, f"{len(untrue)} of {len(self.denied)} denied writes were made"


class Writer(threading.Thread):
    """Sends one request after the other until it is stopped."""

    def __init__(self, books: Books, send: Send) -> None:
        super().__init__(daemon=True)
        self._books = books
        self._send = send
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(LEAST_PAUSE):
            name = str(uuid4())
            answer = None
            with suppress(httpx.TransportError):
                answer = self._send(name)
            self._books.enter(name, answer)

    def stop(self) -> None:
        self._done.set()
        self.join(60)


def adds_bots(http: Callable[[], httpx.Client]) -> Send:
    """Add a bot of each name, every second one with an Idempotency-Key."""

    def send(name: str) -> httpx.Response:
        headers = {"Idempotency-Key": name} if int(name[-1], 16) % 2 else {}
        return http().post("/v1/bots", json={"name": name}, headers=headers)

    return send


def renames(http: Callable[[], httpx.Client], bot_id: str) -> Send:
    """Give a bot one name after the other; what was acknowledged is in the audit log."""

    def send(name: str) -> httpx.Response:
        headers = {"X-Request-ID": name}
        return http().patch(f"/v1/bots/{bot_id}", json={"name": name}, headers=headers)

    return send


def reports_positions(http: Callable[[], httpx.Client], trader: Trader) -> Send:
    """Report an open position of each id."""

    def send(name: str) -> httpx.Response:
        report = {"symbol": "BTC-USDT-SWAP", "side": "long", "status": "open", "quantity": "1"}
        bot = {"Authorization": f"Bearer {trader.token}"}
        return http().put(f"/v1/runtime/positions/{name}", json=report, headers=bot)

    return send
