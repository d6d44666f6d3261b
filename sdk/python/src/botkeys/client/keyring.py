"""The credentials that a bot holds: fetched, compared with what it expects, dropped."""

import asyncio
from typing import final
from uuid import UUID

from botkeys import base64url
from botkeys.client.connection import Connection
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.errors import NoKey, OlderVersion, WrongKey
from botkeys.client.models import BotConfig, ReleaseAnswer, parse_answer, refusal
from botkeys.client.token import TokenIds
from botkeys.client.unsealing import open_release
from botkeys.exchanges.model import Environment
from botkeys.sealing.suites import PrivateKey, SuiteName

_RELEASED = frozenset({200, 201})


@final
class Keyring:
    """Holds the credentials of one bot; `opened` is set while there are any.

    `key_id`, `exchange` and `environment` are what the bot expects; `None` accepts any.
    """

    def __init__(
        self,
        connection: Connection,
        ids: TokenIds,
        suite: SuiteName,
        *,
        key_id: UUID | None,
        exchange: str | None,
        environment: Environment | None,
        minimum_version: int,
    ) -> None:
        self._connection = connection
        self._ids = ids
        self._suite = suite
        self._key_id = key_id
        self._exchange = exchange
        self._environment = environment
        self._newest_seen: dict[UUID, int] = {}
        if key_id is not None:
            self._newest_seen[key_id] = minimum_version
        self.__held: ReleasedCredentials | None = None
        self._fetching = asyncio.Lock()
        self.opened = asyncio.Event()

    @property
    def held(self) -> ReleasedCredentials | None:
        """The credentials in memory now; reading them fetches nothing."""
        return None if self.__held is None or self.__held.forgotten else self.__held

    async def credentials(self, *, fresh: bool) -> ReleasedCredentials:
        async with self._fetching:
            if fresh or self.held is None:
                released = await self._fetch()
                self.forget()
                self.__held = released
                self.opened.set()
            assert self.__held is not None  # noqa: S101  # for the type checker
            return self.__held

    def drop_outdated(self, config: BotConfig) -> None:
        """Drop credentials of a key that the bot no longer has, or of an older version of it."""
        held, key = self.__held, config.key
        if held is None:
            return
        if key is None or key.id != held.key_id or key.version > held.version:
            self.forget()

    def forget(self) -> None:
        if self.__held is not None:
            self.__held.forget()
        self.__held = None
        self.opened.clear()

    async def _fetch(self) -> ReleasedCredentials:
        one_time_key = PrivateKey.generate(self._suite)
        body = {"suite": self._suite, "public_key": base64url.encode(one_time_key.public.raw)}
        answer = await self._connection.call("POST", "/v1/runtime/credentials", body=body)
        if answer.status not in _RELEASED:
            refused = refusal(answer)
            if isinstance(refused, NoKey):
                self.forget()
            raise refused
        release = parse_answer(ReleaseAnswer, answer.body)
        self._compare(release)
        credentials = open_release(one_time_key, release)
        # Only a version that opened counts as seen: a forged answer must not lock the bot out.
        self._newest_seen[release.key_id] = release.version
        return ReleasedCredentials(release, credentials)

    def _compare(self, release: ReleaseAnswer) -> None:
        for field, expected, received in (
            ("account_id", self._ids.account_id, release.account_id),
            ("bot_id", self._ids.bot_id, release.bot_id),
            ("key_id", self._key_id, release.key_id),
            ("exchange", self._exchange, release.exchange),
            ("environment", self._environment, release.environment),
            ("suite", self._suite, release.suite),
        ):
            if expected is not None and expected != received:
                raise WrongKey(field, expected=str(expected), received=str(received))
        seen = self._newest_seen.get(release.key_id, 1)
        if release.version < seen:
            raise OlderVersion(seen=seen, received=release.version)
