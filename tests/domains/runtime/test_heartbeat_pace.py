"""The pace of heartbeats: 10 s as long as there are few bots, and steady where there are many."""

import heapq
import random
from datetime import timedelta

import pytest

from app.domains.runtime.heartbeat.pace import LONGEST, SHORTEST, HeartbeatPace

PER_SECOND = 50
LEASE = timedelta(seconds=30)


def lived(
    bots: int,
    seconds: float,
    pace: HeartbeatPace,
    now: list[float],
    *,
    within: float = SHORTEST,
) -> list[float]:
    """Let bots send heartbeats as they are asked to, the first ones `within` seconds; return the
    interval at the end of each second.

    Fails if a bot was asked for an interval that its lease does not cover, jitter included.
    """
    jitter = random.Random(7)  # noqa: S311  # spreads load, guards nothing
    due = [(now[0] + jitter.uniform(0, within), number) for number in range(bots)]
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


OF_FEW = {30: (10, 450), 15: (5, 225)}
"""By seconds of the lease: the interval of few bots, and how many of them count as few."""
OF_MANY = ((1_000, 20.0), (9_000, 60.0))


@pytest.mark.parametrize(
    ("seconds", "bots", "interval"),
    [
        *((lease, bots, each) for lease, (each, few) in OF_FEW.items() for bots in (0, 1, few)),
        *((lease, bots, each) for lease in OF_FEW for bots, each in OF_MANY),
    ],
)
def test_the_interval_follows_the_number_of_bots_and_does_not_swing(
    seconds: int, bots: int, interval: float
) -> None:
    now = [0.0]
    lease = timedelta(seconds=seconds)
    shortest, _ = OF_FEW[seconds]
    pace = HeartbeatPace(PER_SECOND, lease, clock=lambda: now[0])
    seen = lived(bots, 400, pace, now)
    assert shortest <= min(seen) <= max(seen) <= LONGEST
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


@pytest.mark.parametrize(
    ("lease", "shortest"),
    [(3, 1), (4, 1), (6, 2), (15, 5), (29.9, 9), (30, 10), (45, 10), (3600, 10)],
)
@pytest.mark.parametrize("bots", [1, 9_000])
def test_three_intervals_fit_into_a_lease(lease: float, shortest: int, bots: int) -> None:
    """Verifies rule R101."""
    now = [0.0]
    pace = HeartbeatPace(PER_SECOND, timedelta(seconds=lease), clock=lambda: now[0])
    assert (pace.next_in, pace.lease) == (shortest, timedelta(seconds=lease))
    for _ in range(10):
        for _ in range(bots * 10 // pace.next_in):
            assert isinstance(pace.beat(), int)
            assert pace.lease >= timedelta(seconds=3 * pace.next_in)
        now[0] += 10
    assert pace.next_in == (shortest if bots == 1 else LONGEST)


def test_the_shortest_interval_is_a_second() -> None:
    lease = timedelta(seconds=1)
    pace = HeartbeatPace(PER_SECOND, lease)
    assert (pace.beat(), pace.lease) == (1, lease)


@pytest.mark.parametrize("idle", [0, 45])
def test_a_process_that_starts_goes_on_with_the_interval_that_bots_have(idle: float) -> None:
    """Rule R101. A fresh one would ask many bots at once to come back much too soon; so would one
    whose first heartbeats come when it has run for a while.
    """
    now = [0.0]
    former = HeartbeatPace(PER_SECOND, LEASE, clock=lambda: now[0])
    lived(9_000, 200, former, now)
    pace = HeartbeatPace(PER_SECOND, LEASE, clock=lambda: now[0])
    now[0] += idle
    pace.resume(former.lease.total_seconds())
    assert (pace.next_in, pace.lease) == (LONGEST, LEASE * 6)
    assert min(lived(9_000, 100, pace, now, within=LONGEST)) == LONGEST


@pytest.mark.parametrize(("lease", "interval"), [(1, 10), (30, 10), (90, 30), (10_000, 60)])
def test_an_interval_that_is_taken_over_keeps_its_bounds(lease: float, interval: int) -> None:
    pace = HeartbeatPace(PER_SECOND, LEASE)
    pace.resume(lease)
    assert pace.next_in == interval


@pytest.mark.parametrize(("lease", "interval"), [(1, 2), (6, 2), (30, 10), (10_000, 60)])
def test_an_interval_of_a_short_lease_is_taken_over(lease: float, interval: int) -> None:
    pace = HeartbeatPace(PER_SECOND, timedelta(seconds=6))
    pace.resume(lease)
    assert (pace.next_in, pace.lease) == (interval, timedelta(seconds=3 * interval))


@pytest.mark.parametrize("seconds", [15, 70, 600])
def test_an_outage_is_no_sign_that_there_are_few_bots(seconds: float) -> None:
    """Rule R101. All of them come back within seconds, each once it is due."""
    now = [0.0]
    pace = HeartbeatPace(PER_SECOND, LEASE, clock=lambda: now[0])
    lived(2_000, 300, pace, now)
    before = pace.next_in
    now[0] += seconds
    seen = lived(2_000, 60, pace, now, within=before)
    assert min(seen) >= before * 0.8
