"""An OpenID Connect issuer of the demo's own, on loopback; its private key is only in memory."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import RSAKey

from app.auth.scopes import USER_SCOPES, in_order
from examples.story import Json

_LIFE = 3600
_DISCOVERY = "/.well-known/openid-configuration"
_KEYS = "/keys"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A running issuer; `address` is the `iss` of its tokens."""

    address: str
    key: RSAKey

    def token(self, account: str = "alice", age: int = 0) -> str:
        """Return an access token of the account, `age` seconds old, with all scopes of users."""
        now = int(time.time()) - age
        claims = {
            "iss": self.address,
            "aud": "botkeys",
            "sub": account,
            "scope": in_order(USER_SCOPES),
            "iat": now,
            "exp": now + _LIFE,
        }
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])

    def document(self, path: str) -> Json | None:
        """Return what the issuer publishes there: where its keys are, and the public ones."""
        if path == _DISCOVERY:
            return {"issuer": self.address, "jwks_uri": self.address + _KEYS}
        if path == _KEYS:
            return {"keys": [self.key.as_dict(private=False)]}
        return None


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer on a free port, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = issuer.document(self.path)
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing: standard error is the terminal's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    key = RSAKey.generate_key(2048, auto_kid=True)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}", key)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
