"""A bot's connection to the service."""

import asyncio
import base64
import ipaddress
import json
from collections.abc import Mapping
from typing import NoReturn, Self, final
from urllib.parse import urlsplit
from uuid import UUID

from app.client.answers import BotConfig, ReleaseAnswer, parse_answer, refusal
from app.client.credentials import ReleasedCredentials
from app.client.errors import InsecureAddress, NoKey, OlderVersion, WrongKey
from app.client.errors import Unreachable as NoAnswer
from app.client.opening import open_release
from app.client.token import parse_token
from app.exchanges.model import Environment
from app.secret import Secret
from app.transport import HttpAnswer, HttpTransport, TransportError
from app.vault.suites import PrivateKey, SuiteName

_OK = 200
_CREATED = 201
_NOT_MODIFIED = 304


@final
class BotClient:
    """Credentials and configuration of one bot; use it in `async with`.

        async with BotClient("https://botkeys.example", token, key_id=…, exchange="okx",
                             environment="testnet") as client:
            credentials = await client.credentials()
            sign(credentials.api_secret.reveal(), …)

    `key_id`, `exchange` and `environment` are the bot's own configuration: an answer for others is
    refused. Give all three, or whoever controls the service chooses them. `minimum_version` (with
    `key_id`) refuses what was replaced before the bot last stopped. A `transport` of the caller's
    own is left open. Every method raises BotClientError and nothing else.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Secret,
        *,
        key_id: UUID | str | None = None,
        exchange: str | None = None,
        environment: Environment | str | None = None,
        minimum_version: int = 1,
        suite: SuiteName | str = SuiteName.MLKEM768_X25519,
        transport: HttpTransport | None = None,
        allow_insecure_http: bool = False,
    ) -> None:
        if minimum_version > 1 and key_id is None:
            raise ValueError("minimum_version is of one key: give key_id too")
        self._base_url = _checked_address(base_url, allow_insecure_http=allow_insecure_http)
        self.__token = token if isinstance(token, Secret) else Secret(token)
        self._ids = parse_token(self.__token)
        self._key_id = None if key_id is None else UUID(str(key_id))
        self._exchange = exchange
        self._environment = None if environment is None else Environment(environment)
        self._suite = SuiteName.parse(suite)
        self._transport = transport
        self._owns_transport = transport is None
        self._newest_seen: dict[UUID, int] = {}
        if self._key_id is not None:
            self._newest_seen[self._key_id] = minimum_version
        self.__held: ReleasedCredentials | None = None
        self._config: BotConfig | None = None
        self._etag: str | None = None
        self._fetching = asyncio.Lock()

    @property
    def account_id(self) -> UUID:
        return self._ids.account_id

    @property
    def bot_id(self) -> UUID:
        return self._ids.bot_id

    async def credentials(self, *, fresh: bool = False) -> ReleasedCredentials:
        """The credentials held in memory, or fetched now if there are none or `fresh` is asked.

        Each fetch makes a key pair of its own, is recorded, and counts towards the bot's limit of
        releases. What an earlier fetch handed out is dropped then.
        """
        async with self._fetching:
            if self.__held is None or self.__held.forgotten or fresh:
                released = await self._fetch()
                self.forget()
                self.__held = released
            return self.__held

    async def config(self) -> BotConfig:
        """The bot's configuration now. Credentials of a key that it has no more are dropped."""
        headers = {} if self._etag is None else {"If-None-Match": self._etag}
        answer = await self._call("GET", "/v1/runtime/config", headers=headers)
        if answer.status == _NOT_MODIFIED and self._config is not None:
            config = self._config
        elif answer.status == _OK:
            config = parse_answer(BotConfig, answer.body)
            self._config, self._etag = config, answer.headers.get("etag")
        else:
            raise refusal(answer)
        self._follow(config)
        return config

    def forget(self) -> None:
        """Drop the plaintext, also from what `credentials` handed out."""
        if self.__held is not None:
            self.__held.forget()
        self.__held = None

    async def aclose(self) -> None:
        self.forget()
        if self._owns_transport and self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"BotClient(bot={self.bot_id}, key={self._key_id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a BotClient cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a BotClient cannot be pickled or copied")

    async def _fetch(self) -> ReleasedCredentials:
        one_time_key = PrivateKey.generate(self._suite)
        public = base64.urlsafe_b64encode(one_time_key.public.raw).rstrip(b"=").decode()
        body = json.dumps({"suite": self._suite, "public_key": public}).encode()
        answer = await self._call(
            "POST",
            "/v1/runtime/credentials",
            headers={"Content-Type": "application/json"},
            content=body,
        )
        if answer.status not in {_OK, _CREATED}:
            refused = refusal(answer)
            if isinstance(refused, NoKey):
                self.forget()
            raise refused
        release = parse_answer(ReleaseAnswer, answer.body)
        self._compare(release)
        credentials = open_release(one_time_key, release)
        # Only what opened counts as seen: an answer that was made up must not lock the bot out.
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

    def _follow(self, config: BotConfig) -> None:
        held = self.__held
        if held is None:
            return
        key = config.key
        if key is None or key.id != held.key_id or key.version > held.version:
            self.forget()

    async def _call(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> HttpAnswer:
        if self._transport is None:
            self._transport = HttpTransport()
        sent = {"Accept": "application/json", **headers}
        try:
            return await self._transport.request(
                method,
                self._base_url + path,
                headers={"Authorization": f"Bearer {self.__token.reveal()}", **sent},
                content=content,
            )
        except TransportError as error:
            failure = NoAnswer(f"{type(error).__name__} ({error.cause})", retryable=error.retryable)
        # Outside the except block: the transport's frames hold the header with the token.
        raise failure


def _checked_address(base_url: str, *, allow_insecure_http: bool) -> str:
    try:
        parts = urlsplit(base_url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InsecureAddress("The service's address begins with https:// and names a host.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InsecureAddress("The service's address has no user, password, query or fragment.")
    if parts.scheme == "http" and not (allow_insecure_http or _is_this_machine(parts.hostname)):
        raise InsecureAddress(
            "http:// to another machine shows the bot's token to everyone on the way: use https://."
        )
    return base_url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
