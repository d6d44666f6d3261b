"""How sure a median is, and when a budget is missed or merely unclear."""

import random

import pytest

from benchmarks.rounds import Effort
from benchmarks.spread import Verdict, decided, spread


@pytest.mark.parametrize("rounds", [3, 5, 8, 9, 15, 25])
def test_the_interval_holds_the_true_median_as_often_as_it_promises(rounds: int) -> None:
    drawn = random.Random(rounds)  # noqa: S311  # a fixed sample
    promised = spread(range(rounds)).confidence
    held = 0
    for _ in range(2000):
        found = spread([drawn.lognormvariate(0, 0.5) for _ in range(rounds)])  # its median is 1
        held += found.low <= 1 <= found.high

    assert held / 2000 == pytest.approx(promised, abs=0.03)
    assert promised >= 0.9 or rounds < 5


@pytest.mark.parametrize(
    ("rounds", "kind", "verdict"),
    [
        ([0.9, 1.0, 1.1, 1.2, 1.3], "at least", Verdict.KEPT),
        ([0.5, 0.6, 0.7, 0.75, 0.79], "at least", Verdict.MISSED),
        ([0.7, 0.75, 0.79, 0.9, 1.0], "at least", Verdict.UNCLEAR),
        ([0.7, 0.79, 0.82, 0.9, 1.0], "at least", Verdict.UNCLEAR),
        ([0.9, 1.0, 1.1, 1.2, 1.3], "at most", Verdict.MISSED),
        ([0.5, 0.6, 0.7, 0.75, 0.79], "at most", Verdict.KEPT),
        ([0.8], "at least", Verdict.KEPT),
        ([0.79], "at least", Verdict.MISSED),
    ],
)
def test_a_budget_within_the_interval_is_unclear(
    rounds: list[float], kind: str, verdict: Verdict
) -> None:
    assert spread(rounds).verdict(kind, 0.8) is verdict  # type: ignore[arg-type]
    assert decided(rounds, kind, 0.8) is (verdict is not Verdict.UNCLEAR)  # type: ignore[arg-type]
    assert decided(rounds, kind, None)  # type: ignore[arg-type]


def test_rounds_go_on_while_they_do_not_decide_but_not_for_ever() -> None:
    effort = Effort(rounds=5, most_rounds=7)
    clear, unclear = [0.9] * 5, [0.7, 0.75, 0.79, 0.9, 1.0]

    assert not effort.suffices(clear[:4], "at least", 0.8)
    assert effort.suffices(clear, "at least", 0.8)
    assert not effort.suffices(unclear, "at least", 0.8)
    assert not effort.suffices([*unclear, 0.8], "at least", 0.8)
    assert effort.suffices([*unclear, 0.8, 0.81], "at least", 0.8)
