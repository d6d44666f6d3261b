"""Parts of requests, as commands compose them from options."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from botkeys.commands.endings import UsageFault


def with_query(path: str, query: Mapping[str, object]) -> str:
    """Return a path with those parameters that have a value."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }
    return f"{path}?{urlencode(given, quote_via=quote)}" if given else path


def changes(**members: object) -> dict[str, Any]:
    """Return the body of a change from the options that were given. Raises UsageFault for none."""
    given = {name: value for name, value in members.items() if value is not None}
    if not given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in members)
        raise UsageFault(f"Nothing to change: give one of {options}.")
    return given
