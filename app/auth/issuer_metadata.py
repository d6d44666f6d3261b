"""What an issuer says of itself (OpenID Connect Discovery 1.0), fetched on demand and cached."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from app.auth.errors import IssuerUnavailable
from app.auth.remote_keys import DISCOVERY_PATH, BadAnswer, is_trustworthy
from app.auth.strict_json import NotAnObject, read_object
from botkeys.transport.client import Deadline, HttpTransport, TransportError

FRESH = 3600.0
USABLE = 86_400.0
BETWEEN_FAILURES = 2.0
FETCH_SECONDS = 10.0
LONGEST_ANSWER = 256 * 1024
_OK = 200
_LOG = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """The addresses of an issuer. `names_itself`: each of its answers has the parameter `iss`.

    `takes_basic`: a client proves itself with HTTP Basic, not with its secret in the body.
    """

    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str | None
    names_itself: bool
    takes_basic: bool


class MetadataSource:
    """The metadata of one issuer, renewed every hour; the last good ones stay in use for a day.

    `clock` is monotonic.
    """

    def __init__(
        self,
        transport: HttpTransport,
        issuer: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._issuer = issuer
        self._clock = clock
        self._turn = asyncio.Lock()
        self._found: IssuerMetadata | None = None
        self._found_at = 0.0
        self._failed_at: float | None = None

    async def get(self) -> IssuerMetadata:
        """Return the metadata; raise `IssuerUnavailable` if there are none to use."""
        async with self._turn:
            if not self._is_younger_than(FRESH) and not self._failed_just_now():
                await self._renew()
        if self._found is None or not self._is_younger_than(USABLE):
            raise IssuerUnavailable("The sign-in service cannot be reached. Try again shortly.")
        return self._found

    async def _renew(self) -> None:
        try:
            self._found = await self._fetch()
        except (TransportError, BadAnswer) as error:
            self._failed_at = self._clock()
            _LOG.warning("issuer_metadata_not_fetched", reason=str(error))
        else:
            self._found_at, self._failed_at = self._clock(), None

    async def _fetch(self) -> IssuerMetadata:
        answer = await self._transport.request(
            "GET",
            self._issuer.rstrip("/") + DISCOVERY_PATH,
            headers={"Accept": "application/json"},
            deadline=Deadline(FETCH_SECONDS),
        )
        if answer.status != _OK or len(answer.body) > LONGEST_ANSWER:
            raise BadAnswer("the issuer's discovery document cannot be read")
        try:
            return parse_metadata(read_object(answer.body), self._issuer)
        except NotAnObject:
            raise BadAnswer("the discovery document is not a JSON object") from None

    def _is_younger_than(self, seconds: float) -> bool:
        return self._found is not None and self._clock() - self._found_at < seconds

    def _failed_just_now(self) -> bool:
        return self._failed_at is not None and self._clock() - self._failed_at < BETWEEN_FAILURES


def parse_metadata(document: Mapping[str, Any], issuer: str) -> IssuerMetadata:
    """Return what a sign-in needs of the document; raise `BadAnswer` unless it is this issuer's."""
    if document.get("issuer") != issuer:
        raise BadAnswer("the discovery document names another issuer")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return IssuerMetadata(
        _address(document, "authorization_endpoint"),
        _address(document, "token_endpoint"),
        _address(document, "end_session_endpoint") if "end_session_endpoint" in document else None,
        document.get("authorization_response_iss_parameter_supported") is True,
        not isinstance(methods, list) or "client_secret_basic" in methods,
    )


def _address(document: Mapping[str, Any], name: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or not is_trustworthy(url):
        raise BadAnswer(f"the discovery document's {name} is not an https URL")
    return url
