"""What Botkeys should achieve beside its peers, judged from the rounds of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load import Measured
from benchmarks.peers import openbao, ours
from benchmarks.report import Row


@dataclass(frozen=True, slots=True)
class Goal:
    """Requests a second of one, at least as this part of another's; both by name."""

    name: str
    one: str
    other: str
    at_least: float


GOALS = (
    Goal(
        "a release beside OpenBao's durable write",
        f"{ours.PEER}: {ours.RELEASE}",
        f"{openbao.PEER}: {openbao.WRITE}",
        1.0,
    ),
    Goal(
        "a config (304) beside OpenBao's audited read",
        f"{ours.PEER}: {ours.CONFIG}",
        f"{openbao.PEER}: {openbao.READ}",
        0.5,
    ),
)


def judged(rounds: Mapping[str, Sequence[Measured]], goals: Sequence[Goal] = GOALS) -> list[Row]:
    """Return a row for each goal of which both sides were measured."""
    return [
        Row.of_rounds(
            goal.name,
            [
                one.per_second / other.per_second
                for one, other in zip(rounds[goal.one], rounds[goal.other], strict=True)
            ],
            f"of {goal.other.partition(':')[0]}",
            "at least",
            goal.at_least,
        )
        for goal in goals
        if goal.one in rounds and goal.other in rounds
    ]
