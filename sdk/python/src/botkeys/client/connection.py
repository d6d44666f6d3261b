"""A connection to one service with one token: every call of a bot goes through it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, final

from botkeys.addresses import address_fault
from botkeys.client.errors import InsecureAddress, NotAuthenticated
from botkeys.client.errors import Unreachable as UnreachableError
from botkeys.client.models import refusal
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpAnswer, HttpStream, HttpTransport, Outbound, TransportError

_UNAUTHENTICATED = 401


@final
class Connection:
    """Calls that raise BotClientError and nothing else. The caller's own `transport` stays open.

    Once the service refuses the token, `on_revoked` is called and `revoked` is set.
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
        self._outbound = Outbound.of_variables(os.environ) if transport is None else Outbound()
        self._owns_transport = transport is None
        self.on_revoked: Callable[[], None] = lambda: None
        self.revoked = asyncio.Event()
        self.refused_token: NotAuthenticated | None = None

    @property
    def transport(self) -> HttpTransport:
        if self._transport is None:
            self._transport = HttpTransport(outbound=self._outbound)
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
        """Return any answer but a 401. `body` in bytes is JSON. `safe`: it may be repeated."""
        content = json.dumps(body).encode() if isinstance(body, Mapping) else body
        sent = {"Accept": "application/json", **(headers or {})}
        if content is not None:
            sent["Content-Type"] = "application/json"
        try:
            answer = await self.transport.request(
                method,
                self._base_url + path,
                headers=self._authorized(sent),
                content=content,
                safe=safe,
            )
        except TransportError as error:
            failure = unreachable(error)
        else:
            self.raise_if_revoked(answer)
            return answer
        # Outside the except block, since the transport's frames hold the header with the token.
        raise failure

    @asynccontextmanager
    async def stream(
        self, path: str, *, headers: Mapping[str, str], idle_timeout: float
    ) -> AsyncIterator[HttpStream]:
        """Open a GET with an endless answer. Raises TransportError: see `unreachable`."""
        async with self.transport.stream(
            self._base_url + path, headers=self._authorized(headers), idle_timeout=idle_timeout
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

    def _authorized(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.__token.reveal()}", **headers}


def unreachable(error: TransportError) -> UnreachableError:
    cause = error.explanation or f"{type(error).__name__} ({error.cause})"
    return UnreachableError(cause.removesuffix("."), retryable=error.retryable)


def _checked_address(base_url: str, *, allow_insecure_http: bool) -> str:
    fault = address_fault(base_url, allow_insecure_http=allow_insecure_http)
    if fault is not None:
        raise InsecureAddress(fault)
    return base_url.rstrip("/")
