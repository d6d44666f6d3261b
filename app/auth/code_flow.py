"""The authorization code flow with PKCE (RFC 6749, 7636, 9207), of one confidential client."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import structlog

from app.auth.errors import IssuerUnavailable, Unauthenticated
from app.auth.id_token import IdTokenVerifier
from app.auth.issuer_metadata import LONGEST_ANSWER, IssuerMetadata, MetadataSource
from app.auth.principal import UserPrincipal
from app.auth.strict_json import NotAnObject, read_object
from botkeys.sealing.secret import Secret
from botkeys.transport.client import Deadline, HttpAnswer, HttpTransport, TransportError

CALLBACK = "/auth/callback"
_OK = 200
_SERVER_FAULT = 500
_REDEEM_SECONDS = 15.0
_LOG = structlog.stdlib.get_logger("botkeys.security")


class SignInRefused(Exception):
    """The issuer's answer signs nobody in. `reason` is a word of ours, for the log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Client:
    """How the issuer knows the dashboard. `page_url` is the origin of its page."""

    issuer: str
    client_id: str
    client_secret: Secret
    scopes: tuple[str, ...]
    page_url: str

    @property
    def redirect_uri(self) -> str:
        return self.page_url + CALLBACK

    @property
    def scope(self) -> str:
        return " ".join(dict.fromkeys(("openid", *self.scopes)))


class CodeFlow:
    """The flow of a process. `transport` is its own, so that no flood of codes delays other calls.

    Raises `IssuerUnavailable` where the issuer cannot be reached.
    """

    def __init__(
        self,
        client: Client,
        metadata: MetadataSource,
        id_tokens: IdTokenVerifier,
        transport: HttpTransport,
    ) -> None:
        self._client = client
        self._metadata = metadata
        self._id_tokens = id_tokens
        self._transport = transport

    async def start_url(self, *, state: str, nonce: str, challenge: str) -> str:
        """Return where the browser goes to sign in."""
        found = await self._metadata.get()
        return _with_query(
            found.authorization_endpoint,
            {
                "response_type": "code",
                "client_id": self._client.client_id,
                "redirect_uri": self._client.redirect_uri,
                "scope": self._client.scope,
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }.items(),
        )

    async def end_url(self) -> str | None:
        """Return where the browser goes to sign out at the issuer; `None` if that is nowhere."""
        try:
            endpoint = (await self._metadata.get()).end_session_endpoint
        except IssuerUnavailable:
            return None
        if endpoint is None:
            return None
        query = {
            "client_id": self._client.client_id,
            "post_logout_redirect_uri": self._client.page_url + "/",
        }
        return _with_query(endpoint, query.items())

    async def check_sender(self, issuer: str | None) -> None:
        """Check the answer's `iss`: another issuer's answer must not reach this one's endpoint."""
        if issuer is None:
            if (await self._metadata.get()).names_itself:
                raise SignInRefused("no_issuer")
        elif issuer != self._client.issuer:
            raise SignInRefused("other_issuer")

    async def redeem(self, code: str, *, verifier: str, nonce: str) -> tuple[UserPrincipal, str]:
        """Exchange the code for an ID token; return whom it names, and the token.

        Raises `SignInRefused`.
        """
        found = await self._metadata.get()
        answer = await self._token_answer(found, code, verifier)
        if answer.status != _OK:
            raise SignInRefused("code_refused")
        try:
            token = read_object(answer.body).get("id_token")
        except NotAnObject:
            raise SignInRefused("no_id_token") from None
        if not isinstance(token, str):
            raise SignInRefused("no_id_token")
        try:
            return await self._id_tokens.user(token, nonce), token
        except Unauthenticated as error:
            raise SignInRefused(f"id_token_{error.fault}") from None

    async def _token_answer(self, found: IssuerMetadata, code: str, verifier: str) -> HttpAnswer:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": verifier,
        }
        secret = self._client.client_secret.reveal()
        if found.takes_basic:
            pair = f"{quote_plus(self._client.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client.client_id, "client_secret": secret}
        try:
            answer = await self._transport.request(
                "POST",
                found.token_endpoint,
                headers=headers,
                content=urlencode(form).encode(),
                deadline=Deadline(_REDEEM_SECONDS),
            )
        except TransportError as error:
            _LOG.warning("code_not_redeemed", reason=str(error))
            raise _unreachable() from None
        if answer.status >= _SERVER_FAULT:
            raise _unreachable()
        if len(answer.body) > LONGEST_ANSWER:
            raise SignInRefused("answer_too_large")
        return answer


def _unreachable() -> IssuerUnavailable:
    return IssuerUnavailable("The sign-in service does not answer. Try again shortly.")


def _with_query(endpoint: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the address with these parameters after those that it has already."""
    joint = "&" if urlsplit(endpoint).query else "?"
    # A space as `%20`, which every issuer reads alike.
    return f"{endpoint}{joint}{urlencode(list(parameters), quote_via=quote)}"
