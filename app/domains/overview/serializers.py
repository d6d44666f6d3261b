"""Turns an account's counts into the documents that the API shows."""

from dataclasses import asdict
from typing import Any

from app.domains.keys.states import KeyWord
from app.domains.overview.repository import AccountCounts, EnvironmentCounts
from botkeys.exchanges.model import Environment


def totals_members(found: AccountCounts, environment: str) -> dict[str, Any]:
    """Return the members of `app.domains.overview.schemas.Dashboard` that are counts."""
    documents = {
        str(each): _environment(found.environments.get(each, EnvironmentCounts()))
        for each in Environment
    }
    return {**documents[environment], "bots": asdict(found.bots), "environments": documents}


def _environment(counts: EnvironmentCounts) -> dict[str, Any]:
    """Return the members of `app.domains.overview.schemas.EnvironmentTotals`."""
    return {
        "open_positions": counts.open_positions,
        "bots": asdict(counts.bots),
        "keys": {
            "total": counts.words.total(),
            "active": counts.switched_on,
            "expiring": counts.due,
            "states": {str(word): counts.words[word] for word in KeyWord},
        },
    }
