"""Recorded responses of the real exchanges, beside the repository and not part of it."""

import json
from pathlib import Path
from typing import Any

import pytest

FACTS = Path(__file__).parents[3] / "shared" / "exchanges"
RECORDED = FACTS / "recorded"


def recorded(name: str) -> Any:
    path = RECORDED / name
    if not path.is_file():
        pytest.skip("the recorded answers are not beside this repository")
    return json.loads(path.read_text())


def compare(ours: dict[str, Any], theirs: dict[str, Any], *, numbers: bool = False) -> None:
    """Compare fields and types; with `numbers`, an integer may stand for a fraction."""
    assert set(theirs) <= set(ours), set(theirs) - set(ours)
    for name, value in theirs.items():
        both = {type(ours[name]), type(value)}
        assert len(both) == 1 or (numbers and both == {int, float}), name
