"""An issuer's keys, fetched on demand and cached.

Nothing runs in the background: the first token triggers the fetch, and one request in ten minutes
renews the keys while all others continue with the cached ones. If the issuer is unreachable or
sends an invalid response, the last good keys stay in use for a day; without any, tokens cannot be
verified and the response is 503. A rotation shows as a token with an unknown key, which triggers a
fetch at once, but at most one in ten seconds, so a flood of invented key ids costs next to nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from app.auth.errors import IssuerUnavailable
from app.auth.key_sets import BadKeySet, VerificationKey, matching, parse_key_set, same_keys
from app.auth.strict_json import NotAnObject, read_object
from botkeys.addresses import is_loopback
from botkeys.transport.client import Deadline, HttpTransport, TransportError

_OK = 200
_MAX_ANSWER_BYTES = 256 * 1024
_DISCOVERY_PATH = "/.well-known/openid-configuration"
_LOG = structlog.stdlib.get_logger(__name__)


class BadAnswer(Exception):
    """An unusable response of the issuer. The message is ours and safe to log."""


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """The times that govern fetching, in seconds.

    `fresh`: how long keys are used before they are renewed; `usable`: how long if renewing fails.
    `between_refreshes`: the shortest time between two attempts while there are usable keys;
    `between_failures`: the same without any. `fetch`: the deadline of one attempt, or `renewal` if
    older keys are still usable.
    """

    fresh: float = 600
    usable: float = 86_400
    between_refreshes: float = 10
    between_failures: float = 1
    fetch: float = 5
    renewal: float = 2


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: tuple[VerificationKey, ...]
    at: float


class RemoteKeys:
    """The keys of the issuer at `issuer`, or of the JWK Set at `jwks_url` if that is given.

    Both addresses must be https, except on loopback; otherwise `ValueError` is raised. `clock` is
    monotonic.
    """

    def __init__(
        self,
        transport: HttpTransport,
        *,
        issuer: str | None = None,
        jwks_url: str | None = None,
        times: KeyTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = jwks_url or issuer
        if address is None:
            raise ValueError("an issuer or the URL of its keys is required")
        if not is_trustworthy(address):
            raise ValueError("the URL of the issuer's keys must be https (or loopback)")
        self._transport = transport
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._times = times or KeyTimes()
        self._clock = clock
        self._fetched: _Fetched | None = None
        self._last_attempt: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        if not self._is_younger_than(self._times.fresh):
            await self._renew()
        if self._fetched is None or not self._is_younger_than(self._times.usable):
            raise IssuerUnavailable(retry_after=max(1, round(self._times.between_failures)))
        return matching(self._fetched.keys, kid, algorithm)

    async def refresh(self) -> bool:
        before = self._fetched
        await self._renew(wait=True)
        after = self._fetched
        return (
            after is not None
            and after is not before
            and (before is None or not same_keys(before.keys, after.keys))
        )

    async def _renew(self, *, wait: bool = False) -> None:
        """Make one attempt at a time; callers that need not wait continue with the cached keys."""
        usable = self._is_younger_than(self._times.usable)
        if self._fetching.locked() and usable and not wait:
            return
        async with self._fetching:
            if self._was_tried_just_now():  # perhaps by the task we waited for
                return
            try:
                keys = await self._fetch()
            except (TransportError, BadAnswer) as error:
                _LOG.warning("issuer_keys_not_fetched", reason=str(error))
            else:
                self._fetched = _Fetched(keys, self._clock())
            self._last_attempt = self._clock()

    def _is_younger_than(self, seconds: float) -> bool:
        return self._fetched is not None and self._clock() - self._fetched.at < seconds

    def _was_tried_just_now(self) -> bool:
        usable = self._is_younger_than(self._times.usable)
        pause = self._times.between_refreshes if usable else self._times.between_failures
        return self._last_attempt is not None and self._clock() - self._last_attempt < pause

    async def _fetch(self) -> tuple[VerificationKey, ...]:
        usable = self._is_younger_than(self._times.usable)
        deadline = Deadline(self._times.renewal if usable else self._times.fetch)
        url = self._jwks_url or await self._discover(deadline)
        try:
            return parse_key_set(await self._get(url, deadline))
        except BadKeySet as error:
            raise BadAnswer(str(error)) from None

    async def _discover(self, deadline: Deadline) -> str:
        """Return the address of the keys by OpenID Connect Discovery 1.0, section 4.

        The issuer named in the document must be this one.
        """
        if self._issuer is None:
            raise BadAnswer("neither an issuer nor the URL of its keys is configured")
        body = await self._get(self._issuer.rstrip("/") + _DISCOVERY_PATH, deadline)
        try:
            document = read_object(body)
        except NotAnObject:
            raise BadAnswer("the discovery document is not a JSON object") from None
        if document.get("issuer") != self._issuer:
            raise BadAnswer("the discovery document names another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not is_trustworthy(url):
            raise BadAnswer("the discovery document's jwks_uri is not an https URL")
        return url

    async def _get(self, url: str, deadline: Deadline) -> bytes:
        answer = await self._transport.request(
            "GET", url, headers={"Accept": "application/json"}, deadline=deadline
        )
        if answer.status != _OK:
            raise BadAnswer(f"the issuer responded with status {answer.status}")
        if len(answer.body) > _MAX_ANSWER_BYTES:
            raise BadAnswer(f"the issuer's response is larger than {_MAX_ANSWER_BYTES} bytes")
        return answer.body


def is_trustworthy(url: str) -> bool:
    """Return whether keys may be fetched from there: https, or http on loopback."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
