"""The part of OpenBao's API that wraps seeds, over HTTP on this machine."""

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "PLANTED-vault-token-0123456789"
SECRET_ID = "PLANTED-secret-id-0123456789"

Json = dict[str, Any]


class Transit:
    """A key at mount `transit`, with versions; `status` replaces the answers to come."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.keys = [os.urandom(32)]
        self.status: list[int] = []
        self.asked: list[str] = []
        self.namespaces: set[str | None] = set()
        self.lies = False
        self.delay: threading.Event | None = None

    def answer(self, path: str, body: Json, token: str | None) -> tuple[int, Json]:
        self.asked.append(path)
        if self.delay is not None:
            self.delay.wait(20)
        if self.status:
            return self.status.pop(0), {"errors": [json.dumps(body)]}  # it echoes what was sent
        if path.startswith("/v1/auth/"):
            return self._login(path, body)
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        data = b64decode(body["associated_data"])
        if path == "/v1/transit/encrypt/botkeys":
            return 200, {"data": {"ciphertext": self._encrypt(body["plaintext"], data)}}
        if path == "/v1/transit/decrypt/botkeys":
            return self._decrypt(body["ciphertext"], data)
        return 404, {"errors": ["no handler for route"]}

    def _login(self, path: str, body: Json) -> tuple[int, Json]:
        known = {
            "/v1/auth/approle/login": {"role_id": "r", "secret_id": SECRET_ID},
            "/v1/auth/cluster-1/login": {"role": "botkeys", "jwt": "a.b.c"},
        }
        if known.get(path) != body:
            return 400, {"errors": ["invalid role or secret"]}
        return 200, {"auth": {"client_token": TOKEN}}

    def _encrypt(self, plaintext: str, data: bytes) -> str:
        nonce = os.urandom(12)
        plain = os.urandom(32) if self.lies else b64decode(plaintext)
        sealed = nonce + AESGCM(self.keys[-1]).encrypt(nonce, plain, data)
        return f"vault:v{len(self.keys)}:{b64encode(sealed).decode()}"

    def _decrypt(self, ciphertext: str, data: bytes) -> tuple[int, Json]:
        _, version, text = ciphertext.split(":")
        sealed = b64decode(text)
        try:
            plain = AESGCM(self.keys[int(version[1:]) - 1]).decrypt(sealed[:12], sealed[12:], data)
        except InvalidTag:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": b64encode(plain).decode()}}


@contextmanager
def transit() -> Iterator[Transit]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that the standard library calls
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.namespaces.add(self.headers["X-Vault-Namespace"])
            status, answer = served.answer(self.path, body, self.headers["X-Vault-Token"])
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Transit(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
