"""One service and one token: every call of a bot goes through here."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, final
from urllib.parse import urlsplit

from botkeys.addresses import is_loopback
from botkeys.client.errors import InsecureAddress, NotAuthenticated
from botkeys.client.errors import Unreachable as NoAnswer
from botkeys.client.models import refusal
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpAnswer, HttpStream, HttpTransport, TransportError

_UNAUTHENTICATED = 401


@final
class Connection:
    """Raises BotClientError and nothing else. A `transport` of the caller's own is left open.

    Once the service refuses the token, `revoked` is set and `on_revoked` has been called.
    """

    def __init__(
        self,
        base_url: str,
        token: Secret,
        transport: HttpTransport | None,
        *,
        allow_insecure_http: bool,
    ) -> None:
        self._base_url = _checked_address(base_url, allow_insecure_http=allow_insecure_http)
        self.__token = token
        self._transport = transport
        self._owns_transport = transport is None
        self.on_revoked: Callable[[], None] = lambda: None
        self.revoked = asyncio.Event()
        self.refused_token: NotAuthenticated | None = None

    @property
    def transport(self) -> HttpTransport:
        if self._transport is None:
            self._transport = HttpTransport()
        return self._transport

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
    ) -> HttpAnswer:
        """Any answer but a 401. `body`: JSON, if it is bytes. `safe`: repeating changes nothing."""
        content = json.dumps(body).encode() if isinstance(body, Mapping) else body
        sent = {"Accept": "application/json", **(headers or {})}
        if content is not None:
            sent["Content-Type"] = "application/json"
        try:
            answer = await self.transport.request(
                method,
                self._base_url + path,
                headers=self._signed(sent),
                content=content,
                safe=safe,
            )
        except TransportError as error:
            failure = no_answer(error)
        else:
            self.raise_if_revoked(answer)
            return answer
        # Outside the except block: the transport's frames hold the header with the token.
        raise failure

    @asynccontextmanager
    async def stream(
        self, path: str, *, headers: Mapping[str, str], idle_timeout: float
    ) -> AsyncIterator[HttpStream]:
        """A GET whose answer does not end. Raises TransportError, for `no_answer` to translate."""
        async with self.transport.stream(
            self._base_url + path, headers=self._signed(headers), idle_timeout=idle_timeout
        ) as stream:
            yield stream

    def raise_if_revoked(self, answer: HttpAnswer) -> None:
        if answer.status != _UNAUTHENTICATED:
            return
        refused = refusal(answer)
        if isinstance(refused, NotAuthenticated):
            self.refused_token = refused
            self.on_revoked()
            self.revoked.set()
        raise refused

    async def aclose(self) -> None:
        if self._owns_transport and self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.aclose()

    def _signed(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.__token.reveal()}", **headers}


def no_answer(error: TransportError) -> NoAnswer:
    return NoAnswer(f"{type(error).__name__} ({error.cause})", retryable=error.retryable)


def _checked_address(base_url: str, *, allow_insecure_http: bool) -> str:
    try:
        parts = urlsplit(base_url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InsecureAddress("The service's address begins with https:// and names a host.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InsecureAddress("The service's address has no user, password, query or fragment.")
    if parts.scheme == "http" and not (allow_insecure_http or is_loopback(parts.hostname)):
        raise InsecureAddress(
            "http:// to another machine shows the bot's token to everyone on the way: use https://."
        )
    return base_url.rstrip("/")
