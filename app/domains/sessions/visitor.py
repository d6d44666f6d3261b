"""From where, and with which browser, a session is used."""

from collections.abc import Iterable
from dataclasses import dataclass

MOST_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Visitor:
    """A network address, and what the browser calls itself, if it does."""

    address: str
    user_agent: str | None


def read_visitor(address: str, headers: Iterable[tuple[bytes, bytes]]) -> Visitor:
    """Return the visitor; of the browser's name at most 256 characters, all of them plain ASCII."""
    sent = next((value for name, value in headers if name == b"user-agent"), b"")
    text = sent[:MOST_CHARACTERS].decode("latin-1")
    shown = "".join(character if " " <= character <= "~" else "?" for character in text).strip()
    return Visitor(address, shown or None)
