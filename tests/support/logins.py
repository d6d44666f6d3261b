"""The logins of docs/deployment.md, read from its SQL: tests use no other rights than these."""

import re
from functools import cache
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"
_LOGIN = re.compile(
    r"^CREATE ROLE (\w+)_login +LOGIN PASSWORD '…' IN ROLE ([\w, ]+);$", re.MULTILINE
)


@cache
def documented_logins() -> dict[str, tuple[str, ...]]:
    """Return the roles that each documented login is a member of, by the login's short name."""
    found = _LOGIN.findall(_PAGE.read_text())
    return {name: tuple(re.split(r", *", roles)) for name, roles in found}
