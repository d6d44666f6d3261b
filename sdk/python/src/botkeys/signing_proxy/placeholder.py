"""What a bot gets in place of its credentials: of the exchange's form, and of no use there."""

import secrets
import string
from dataclasses import dataclass, field

_ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Placeholder:
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    api_passphrase: str | None = field(repr=False, default=None)


def alphanumeric(length: int) -> str:
    """Return unguessable text that begins with a letter, so that nothing takes it for a number."""
    first = secrets.choice(string.ascii_letters)
    return first + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length - 1))


def unguessable(length: int) -> str:
    """Return unguessable hexadecimal digits, the first of them a letter."""
    return secrets.choice("abcdef") + secrets.token_hex(length)[: length - 1]
