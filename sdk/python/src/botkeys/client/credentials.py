"""Opened credentials in the bot's memory."""

import asyncio
from collections.abc import Callable
from typing import NoReturn, final
from uuid import UUID

from botkeys.client.errors import Forgotten
from botkeys.client.models import ReleaseAnswer
from botkeys.exchanges.model import Credentials, Endpoints, Environment
from botkeys.sealing.secret import Secret


@final
class ReleasedCredentials:
    """A key's credentials, each to be `reveal()`ed only where a request is signed.

    They cannot be printed or pickled. `endpoints` are the base addresses for this key; `None` means
    unknown.
    """

    __slots__ = (
        "__credentials",
        "__dropped",
        "__when_dropped",
        "bot_id",
        "endpoints",
        "environment",
        "exchange",
        "key_id",
        "release_id",
        "version",
    )

    def __init__(self, answer: ReleaseAnswer, credentials: Credentials) -> None:
        self.bot_id: UUID = answer.bot_id
        self.key_id: UUID = answer.key_id
        self.version: int = answer.version
        self.exchange: str = answer.exchange
        self.environment: Environment = answer.environment
        self.release_id: str = answer.release_id
        self.endpoints: Endpoints = answer.endpoints
        self.__credentials: Credentials | None = credentials
        self.__dropped = asyncio.Event()
        self.__when_dropped: list[Callable[[], None]] = []

    @property
    def api_key(self) -> Secret:
        return self.__held().api_key

    @property
    def api_secret(self) -> Secret:
        return self.__held().api_secret

    @property
    def api_passphrase(self) -> Secret | None:
        return self.__held().api_passphrase

    @property
    def forgotten(self) -> bool:
        return self.__credentials is None

    def forget(self) -> None:
        """Drop the plaintext, for every holder of this object. Later uses raise Forgotten."""
        self.__credentials = None
        self.__dropped.set()
        while self.__when_dropped:
            self.__when_dropped.pop()()

    def when_dropped(self, call: Callable[[], None]) -> None:
        """Call this once the plaintext is gone, or now if it is: to drop a copy of it too."""
        self.__when_dropped.append(call)
        if self.forgotten:
            self.forget()

    async def dropped(self) -> None:
        """Wait until the plaintext is gone."""
        await self.__dropped.wait()

    def __held(self) -> Credentials:
        if self.__credentials is None:
            raise Forgotten
        return self.__credentials

    def __repr__(self) -> str:
        return f"ReleasedCredentials(bot={self.bot_id}, key={self.key_id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("ReleasedCredentials cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("ReleasedCredentials cannot be pickled or copied")
