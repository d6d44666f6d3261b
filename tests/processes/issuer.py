"""A loopback OpenID Connect issuer with keys of its own."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import RSAKey

from app.auth.scopes import USER_SCOPES


@dataclass(frozen=True, slots=True)
class Issuer:
    address: str
    key: RSAKey

    def token(self, account: str = "alice") -> str:
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": "botkeys",
            "sub": account,
            "scope": " ".join(USER_SCOPES),
            "iat": now,
            "exp": now + 3600,
        }
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])


@contextmanager
def issuing() -> Iterator[Issuer]:
    key = RSAKey.generate_key(2048, auto_kid=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            documents = {
                "/.well-known/openid-configuration": {
                    "issuer": issuer.address,
                    "jwks_uri": f"{issuer.address}/keys",
                },
                "/keys": {"keys": [key.as_dict(private=False)]},
            }
            document = documents.get(self.path)
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing: standard error belongs to the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}", key)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
