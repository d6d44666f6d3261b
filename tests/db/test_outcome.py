"""What became of a transaction, asked of a Citus cluster: `tests/processes` asks real nodes."""

from typing import Any

import pytest

from app.db.driver import Rows, Statement
from app.db.failures import CommitLost
from app.db.outcome import Outcomes

IDENTITY = "2604 1795941257.412202:1795941250.1:00000001"


class Coordinator:
    """A server that does not know the transaction, and what its nodes say when they are asked."""

    def __init__(self, *answers: tuple[bool, str]) -> None:
        self.answers = answers
        self.commands: list[str] = []

    async def fetch(self, statement: Statement, **parameters: Any) -> Rows:
        if "run_command_on_all_nodes" not in statement.text:
            return [("elsewhere",)]
        self.commands.append(parameters["command"])
        return self.answers


@pytest.mark.parametrize(
    ("answers", "committed"),
    [
        ([(True, "unknown"), (True, "committed")], True),
        ([(True, "aborted"), (True, "unknown")], False),
        ([(True, "unknown"), (True, "unknown")], None),
        # The node may be the one that does not answer.
        ([(True, "unknown"), (False, "could not connect")], None),
        ([(True, "in progress"), (True, "unknown")], None),
    ],
)
async def test_the_node_of_the_account_is_asked(
    answers: list[tuple[bool, str]], committed: bool | None
) -> None:
    """R37: of several servers, the one where the transaction was says what became of it."""
    coordinator = Coordinator(*answers)

    assert await Outcomes(coordinator, 0.05).committed(CommitLost(IDENTITY)) is committed

    assert "CAST('2604' AS xid8)" in coordinator.commands[0]
    assert IDENTITY.partition(" ")[2] in coordinator.commands[0]


async def test_nothing_but_an_identity_is_sent_to_the_nodes() -> None:
    coordinator = Coordinator((True, "committed"))
    forged = "1 ' OR true --"

    assert await Outcomes(coordinator, 0.05).committed(CommitLost(forged)) is None

    assert coordinator.commands == []
