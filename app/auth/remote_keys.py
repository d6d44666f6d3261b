"""An issuer's keys, fetched on demand and cached.

The first token triggers a fetch, and so does one in ten minutes to renew the keys, while all others
continue with the cached ones. A fetch runs by itself, since an issuer may take longer than a
request should wait. If the issuer is unreachable or sends an invalid response, the last good keys
stay in use for a day; without any, tokens cannot be verified and the response is 503.

A rotation shows as a token with an unknown key, which triggers a fetch at once, but at most one in
ten seconds, so a flood of invented key ids costs next to nothing. While that fetch runs, nobody
knows whether the issuer has such a key: the response is 503, not 401. The same holds for a minute
if the issuer cannot be reached; after that an unknown key is refused until it can.
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
DISCOVERY_PATH = "/.well-known/openid-configuration"
_LOG = structlog.stdlib.get_logger(__name__)


class BadAnswer(Exception):
    """An unusable response of the issuer. The message is ours and safe to log."""


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """The times that govern fetching, in seconds.

    `fresh`: how long keys are used before they are renewed; `usable`: how long if renewing fails.
    `between_refreshes`: the shortest time between two attempts while there are usable keys;
    `between_failures`: the same without any. `fetch`: the deadline of one attempt. `patience`: how
    long after its start a request waits for it, or `first_patience` without usable keys.
    `undecided`: how long unknown keys are neither known nor refused if attempts fail.
    """

    fresh: float = 600
    usable: float = 86_400
    between_refreshes: float = 10
    between_failures: float = 1
    fetch: float = 20
    patience: float = 2
    first_patience: float = 5
    undecided: float = 60


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
        self._failing_since: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._give_up_at = 0.0

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        if not self._is_younger_than(self._times.fresh):
            usable = self._is_younger_than(self._times.usable)
            started = self._start()
            if started or not usable:
                await self._wait()
        if self._fetched is None or not self._is_younger_than(self._times.usable):
            raise IssuerUnavailable(retry_after=max(1, round(self._times.between_failures)))
        return matching(self._fetched.keys, kid, algorithm)

    async def refresh(self) -> bool:
        before = self._fetched
        self._start()
        await self._wait()
        after = self._fetched
        return (
            after is not None
            and after is not before
            and (before is None or not same_keys(before.keys, after.keys))
        )

    def undecided(self) -> int | None:
        if self._fetching is not None:
            return max(1, round(self._times.patience))
        failing = self._failing_since
        if failing is None or self._clock() - failing >= self._times.undecided:
            return None
        return max(1, round(self._pause()))

    async def reached(self) -> bool:
        if self._fetched is None:
            self._start()
            await self._wait(self._times.patience)
        return self._fetched is not None

    async def close(self) -> None:
        """Abandon a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _start(self) -> bool:
        """Begin an attempt unless one is under way or was made just now; return whether it did."""
        if self._fetching is not None or self._was_tried_just_now():
            return False
        usable = self._is_younger_than(self._times.usable)
        patience = self._times.patience if usable else self._times.first_patience
        self._give_up_at = asyncio.get_running_loop().time() + patience
        self._fetching = asyncio.create_task(self._attempt())
        return True

    async def _wait(self, longest: float | None = None) -> None:
        """Wait for the attempt under way, which may take longer than a request can wait."""
        if self._fetching is not None:
            left = max(0.0, self._give_up_at - asyncio.get_running_loop().time())
            left = left if longest is None else min(left, longest)
            await asyncio.wait([self._fetching], timeout=left)

    async def _attempt(self) -> None:
        try:
            keys = await self._fetch()
        except Exception as error:  # noqa: BLE001  # whatever fails, the next attempt may succeed
            known = isinstance(error, TransportError | BadAnswer)
            reason = str(error) if known else type(error).__name__
            _LOG.warning("issuer_keys_not_fetched", reason=reason)
            if self._failing_since is None:
                self._failing_since = self._clock()
        else:
            self._fetched = _Fetched(keys, self._clock())
            self._failing_since = None
        finally:
            self._last_attempt = self._clock()
            self._fetching = None

    def _is_younger_than(self, seconds: float) -> bool:
        return self._fetched is not None and self._clock() - self._fetched.at < seconds

    def _was_tried_just_now(self) -> bool:
        return self._last_attempt is not None and (
            self._clock() - self._last_attempt < self._pause()
        )

    def _pause(self) -> float:
        usable = self._is_younger_than(self._times.usable)
        return self._times.between_refreshes if usable else self._times.between_failures

    async def _fetch(self) -> tuple[VerificationKey, ...]:
        deadline = Deadline(self._times.fetch)
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
        body = await self._get(self._issuer.rstrip("/") + DISCOVERY_PATH, deadline)
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
