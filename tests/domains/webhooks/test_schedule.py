"""When a delivery is attempted again."""

from datetime import timedelta

import pytest

from app.domains.webhooks.schedule import JITTER, PAUSES, pause
from app.domains.webhooks.sender import Outcome, SendError

FAILED = Outcome(500, SendError.UNEXPECTED_STATUS)
PLANNED = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


def test_there_are_ten_attempts_at_growing_pauses() -> None:
    pauses = [pause(attempts, FAILED, 0.0) for attempts in range(1, 11)]
    assert pauses == [*(timedelta(seconds=seconds) for seconds in PLANNED), None]
    for planned, spread in zip(PAUSES, (pause(n, FAILED) for n in range(1, 10)), strict=True):
        assert spread is not None
        assert planned <= spread <= planned * (1 + JITTER)
    assert len({pause(1, FAILED) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("wish", "seconds"), [(0, 5), (60, 60), (86_400, 86_400), (10**9 - 1, 86_400)]
)
def test_a_wish_makes_a_pause_longer_within_a_day(wish: float, seconds: float) -> None:
    outcome = Outcome(429, SendError.UNEXPECTED_STATUS, wish)
    assert pause(1, outcome, 0.0) == timedelta(seconds=seconds)
    assert pause(10, outcome, 0.0) is None


def test_a_receiver_that_is_gone_is_not_called_again() -> None:
    assert pause(1, Outcome(410, SendError.UNEXPECTED_STATUS), 0.0) is None
