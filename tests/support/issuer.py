"""An OpenID Connect issuer for tests of the sign-in, which can misbehave in every way."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ISSUER = "https://issuer.test"
CLIENT_ID = "dash board&1"
CLIENT_SECRET = "s3cret:/+%"  # of tests, with all that has to be escaped
ALGORITHM = "ES256"
Json = dict[str, Any]


@dataclass(slots=True)
class Code:
    """What the issuer remembers of a code."""

    subject: str
    nonce: str
    challenge: str
    redirect_uri: str


@dataclass(slots=True)
class TestIssuer:
    """The issuer. Tests change its document, its ID tokens and its answers.

    `claims` are added to an ID token, and `None` leaves one out. `reuses_codes`: a code works
    again, as with an issuer that is not strict.
    """

    __test__ = False

    document: Json = field(default_factory=dict)
    claims: Json = field(default_factory=dict)
    header: Json = field(default_factory=dict)
    answer: Callable[[Json], Response] | None = None
    reuses_codes: bool = False
    away: bool = False
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one"}))
    codes: dict[str, Code] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks", self._keys),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def authorize(self, address: str, subject: str = "alice", **parameters: str | None) -> str:
        """Do what the browser and the person do there; return where the browser is sent.

        `parameters` are changed in the answer, and `None` leaves one out.
        """
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{ISSUER}/authorize"
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert asked["client_id"] == CLIENT_ID
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(
            subject, asked["nonce"], asked["code_challenge"], asked["redirect_uri"]
        )
        answer: dict[str, str | None] = {
            "code": code,
            "state": asked["state"],
            "iss": ISSUER,
            **parameters,
        }
        sent = {name: value for name, value in answer.items() if value is not None}
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode(sent)}"

    async def _discovery(self, _request: Request) -> Response:
        self.asked.append("discovery")
        if self.away:
            return Response(status_code=503)
        return JSONResponse(
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "end_session_endpoint": f"{ISSUER}/end",
                "jwks_uri": f"{ISSUER}/jwks",
                "authorization_response_iss_parameter_supported": True,
                **self.document,
            }
        )

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        if self.away:
            return Response(status_code=503)
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        if self._client_of(request, form) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        code = self.codes.get(form["code"])
        if not self.reuses_codes:
            self.codes.pop(form["code"], None)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            code is None
            or form["grant_type"] != "authorization_code"
            or form["redirect_uri"] != code.redirect_uri
            or base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != code.challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        body = {"access_token": "unused", "token_type": "Bearer", "id_token": self._id_token(code)}
        return JSONResponse(body) if self.answer is None else self.answer(body)

    @staticmethod
    def _client_of(request: Request, form: Json) -> tuple[str, str]:
        header = request.headers.get("authorization")
        if header is None:
            return form.get("client_id", ""), form.get("client_secret", "")
        pair = base64.b64decode(header.removeprefix("Basic ")).decode()
        name, _, secret = pair.partition(":")
        return unquote_plus(name), unquote_plus(secret)

    def _id_token(self, code: Code) -> str:
        now = int(time.time())
        whole = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": code.subject,
            "nonce": code.nonce,
            "iat": now,
            "exp": now + 300,
            **self.claims,
        }
        claims = {name: value for name, value in whole.items() if value is not None}
        header = {"alg": ALGORITHM, "kid": "one", **self.header}
        return jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])

    def sign(self, claims: Json) -> str:
        return jwt.encode(
            {"alg": ALGORITHM, "kid": "one"}, claims, self.key, algorithms=[ALGORITHM]
        )


def without_id_token(body: Json) -> Response:
    return JSONResponse({name: value for name, value in body.items() if name != "id_token"})


def no_json(body: Json) -> Response:
    return Response(json.dumps(body)[:-1], media_type="application/json")
