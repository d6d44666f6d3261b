"""Requests and responses of the floor."""

from typing import NamedTuple
from uuid import UUID

OK = 200
NOT_MODIFIED = 304


class Call(NamedTuple):
    """A request. `query` names the bot, as `account_id/bot_id`: nothing is authenticated here."""

    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def account_id(self) -> UUID:
        return UUID(self.query[:36])

    @property
    def bot_id(self) -> UUID:
        return UUID(self.query[37:])

    def header(self, wanted: bytes) -> bytes | None:
        for name, value in self.headers:
            if name == wanted:
                return value
        return None


class Answer(NamedTuple):
    """JSON, with or without an ETag."""

    body: bytes
    status: int = OK
    tag: bytes | None = None
