"""The pace of heartbeats: 10 s as long as there are few bots, and steady where there are many."""

import heapq
import random
from datetime import timedelta

import pytest

from app.domains.runtime.heartbeat.pace import LONGEST, SHORTEST, HeartbeatPace

PER_SECOND = 50
LEASE = timedelta(seconds=30)


def lived(bots: int, seconds: float, pace: HeartbeatPace, now: list[float]) -> list[float]:
    """Let bots send heartbeats as they are asked to; return the interval at the end of each second.

    Fails if a bot was asked for an interval that its lease does not cover, jitter included.
    """
    jitter = random.Random(7)  # noqa: S311  # spreads load, guards nothing
    due = [(now[0] + jitter.uniform(0, SHORTEST), number) for number in range(bots)]
    heapq.heapify(due)
    until = now[0] + seconds
    seen: list[float] = []
    while now[0] < until:
        now[0] += 1
        while due and due[0][0] <= now[0]:
            _, number = heapq.heappop(due)
            lease = pace.lease.total_seconds()
            asked = pace.beat()
            assert asked * 1.1 < lease
            heapq.heappush(due, (now[0] + asked * jitter.uniform(0.9, 1.1), number))
        seen.append(pace.next_in)
    return seen


@pytest.mark.parametrize("lease", [LEASE, timedelta(seconds=15)])
@pytest.mark.parametrize(
    ("bots", "interval"), [(0, 10.0), (1, 10.0), (450, 10.0), (1_000, 20.0), (9_000, 60.0)]
)
def test_the_interval_follows_the_number_of_bots_and_does_not_swing(
    bots: int, interval: float, lease: timedelta
) -> None:
    now = [0.0]
    pace = HeartbeatPace(PER_SECOND, lease, clock=lambda: now[0])
    seen = lived(bots, 400, pace, now)
    assert SHORTEST <= min(seen) <= max(seen) <= LONGEST
    steady = seen[200:]
    assert min(steady) == pytest.approx(interval, rel=0.1)
    assert max(steady) == pytest.approx(interval, rel=0.1)
    if interval < LONGEST:
        assert pace.bots == pytest.approx(bots, rel=0.1, abs=1)


def test_the_interval_shortens_again_when_bots_have_gone() -> None:
    now = [0.0]
    pace = HeartbeatPace(PER_SECOND, LEASE, clock=lambda: now[0])
    lived(3_000, 200, pace, now)
    assert pace.next_in > 50
    lived(20, 200, pace, now)
    assert pace.next_in == SHORTEST


def test_the_lease_grows_with_the_interval() -> None:
    now = [0.0]
    pace = HeartbeatPace(PER_SECOND, LEASE, clock=lambda: now[0])
    assert pace.lease == LEASE
    lived(9_000, 200, pace, now)
    assert pace.lease == LEASE * 6
