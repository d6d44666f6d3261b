"""Lets callers in a few at a time when thousands come at once, as after a restart."""

import asyncio
from collections import OrderedDict, deque
from math import ceil
from time import process_time
from uuid import UUID

from app.errors import Unavailable

AT_ONCE = 20
"""Few enough that whatever else the process does meanwhile waits for some milliseconds, and enough
for a database that answers late.
"""
TURN = 0.01
"""Seconds between two groups out of the line."""
BUSY = 0.006
"""Seconds of processor time that the process may take between two turns before fewer are let in: so
long other calls wait for it. How late a turn is tells less, where other processes are busy too.
"""
PATIENCE = 20.0
"""Seconds that a caller waits in line: less than any proxy waits for the head of a response. Who
waits costs nothing; who is refused comes back, and reads its configuration meanwhile.
"""
LONGEST = 60
"""Seconds after which a caller that was not let in is asked to come back, at most."""
SENT_AWAY = 4
"""Callers that are refused in one turn, at most: each takes as long as a small request."""
_USUAL = 0.003
_WEIGHT = 0.005
"""What one more caller counts for the pace: in its first second a storm keeps the line from moving,
and that must not make the process refuse nearly all.
"""
_FULL = "Very many bots are connecting at the moment. Try again when Retry-After says."


class Admission:
    """Places for `at_once` callers in a process, and a line for the others.

    The accounts in the line take turns, so that one with a thousand bots does not keep the others
    out. Calls for something else go before the line: it moves by as many a turn as leave the
    process time for them. A caller that would have to wait too long is refused at once, and
    each is asked to come back when its turn would come: at the pace at which the process has let
    others in.
    """

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._free = at_once
        self._at_once = at_once
        self._few = 1
        self._turn: asyncio.TimerHandle | None = None
        self._spent = 0.0
        self._patience = patience
        self._lines: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()
        self._by_age: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._waiting = 0
        self._each = _USUAL
        self._promised = 0.0
        self._let_in_at = 0.0

    @property
    def waiting(self) -> int:
        """Return how many are in line."""
        return self._waiting

    async def enter(self, account_id: UUID) -> None:
        """Return when there is a place; raise `Unavailable` if the line is too long.

        Who has returned from here must `leave`.
        """
        if self._free and not self._waiting:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        if self._waiting * self._each >= self._patience:
            raise self._refusal(loop.time())
        now = loop.time()
        turn = loop.create_future()
        self._lines.setdefault(account_id, deque()).append(turn)
        self._by_age.append((now + self._patience, turn))
        if not self._waiting:
            self._let_in_at = now
        self._waiting += 1
        if self._turn is None:
            self._set_turn(loop, now)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting -= 1
                if not self._waiting and self._turn is not None:
                    self._turn.cancel()
                    self._end_turns()
            elif turn.exception() is None:
                self.leave()  # it was let in at the same moment
            raise

    def leave(self) -> None:
        """Free the place. The line moves at its next turn."""
        self._free += 1

    def _set_turn(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self._spent = process_time()
        self._turn = loop.call_at(now + TURN, self._move, loop)

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let in those whose turn it is: more than last time, or half of it if that was too much.

        With the last one the turns end.
        """
        now = loop.time()
        if process_time() - self._spent > BUSY:
            self._few = max(1, self._few // 2)
        elif self._few < self._at_once:
            self._few += 1
        several = 0
        while several < self._few and self._free and self._let_in():
            several += 1
        if several:
            self._note(now, several)
        self._send_away(now)
        if self._waiting:
            self._set_turn(loop, now)
        else:
            self._end_turns()

    def _end_turns(self) -> None:
        self._turn = None
        self._lines.clear()
        self._by_age.clear()

    def _send_away(self, now: float) -> None:
        """Refuse a few who have waited for too long: all at once would be a storm too."""
        sent = 0
        while self._by_age and sent < SENT_AWAY:
            until, turn = self._by_age[0]
            if not turn.done():
                if until > now:
                    return
                self._waiting -= 1
                turn.set_exception(self._refusal(now))
                sent += 1
            self._by_age.popleft()

    def _let_in(self) -> bool:
        """Give a place to the account whose turn it is; return whether anybody was in line."""
        while self._lines:
            account_id, line = self._lines.popitem(last=False)
            while line and line[0].done():
                line.popleft()
            if not line:
                continue
            turn = line.popleft()
            if line:
                self._lines[account_id] = line
            self._waiting -= 1
            self._free -= 1
            turn.set_result(None)
            return True
        return False

    def _refusal(self, now: float) -> Unavailable:
        """Return a refusal that names a time of its own, after all that wait or were refused."""
        self._promised = max(self._promised, now + self._waiting * self._each) + self._each
        return Unavailable(_FULL, retry_after=min(max(1, ceil(self._promised - now)), LONGEST))

    def _note(self, now: float, several: int) -> None:
        """Take note of how long it took until the next ones were let in."""
        each = (now - self._let_in_at) / several
        self._each += (each - self._each) * (1 - (1 - _WEIGHT) ** several)
        self._let_in_at = now
