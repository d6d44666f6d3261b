"""The wrapper `vault-transit`: the engine Transit of OpenBao or HashiCorp Vault.

The seed is bound to its master key as associated data. Each call logs in again unless a token is
given, so that nothing has to be renewed between the few calls of a process's life.
"""

import asyncio
import json
import threading
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.custody.wrapping.wrapped import SeedBinding, WrappedSeed, WrapperFailed
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.suites import SEED_BYTES
from botkeys.transport.client import HttpTransport, TransportLimits
from botkeys.transport.errors import TransportError
from botkeys.transport.outbound import Outbound, OutboundFault

_LIMITS = TransportLimits(attempts=1, total_timeout=6.0, max_answer_bytes=64 * 1024)
_LONGEST_TOKEN = 16 * 1024
_TOO_MANY, _FORBIDDEN, _SERVER_FAULT = 429, 403, 500

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VaultLogin:
    """How this process proves itself: one of a token, a role of Kubernetes, and an AppRole."""

    token: str | None = field(default=None, repr=False)
    kubernetes_role: str | None = None
    kubernetes_token: Path | None = None
    role_id: str | None = None
    secret_id: str | None = field(default=None, repr=False)
    mount: str | None = None


@dataclass(frozen=True, slots=True)
class VaultServer:
    address: str
    login: VaultLogin
    namespace: str | None = None
    ca_file: Path | None = None


class TransitWrapper:
    def __init__(self, server: VaultServer | None) -> None:
        self._server = server

    def wrap(self, seed: SecretBytes, names: tuple[str, ...], binding: SeedBinding) -> bytes:
        mount, key = names
        body = {
            "plaintext": b64encode(seed.reveal()).decode(),
            "associated_data": b64encode(binding.associated_data).decode(),
        }
        answer = self._call(f"{mount}/encrypt/{key}", body)
        ciphertext = _text(answer, "data", "ciphertext")
        if not ciphertext or not ciphertext.isascii():
            raise WrapperFailed("The answer of Vault has no ciphertext.")
        return ciphertext.encode()

    def unwrap(self, wrapped: WrappedSeed) -> SecretBytes:
        mount, key = wrapped.wrapping.names
        body = {
            "ciphertext": wrapped.content.decode("ascii", "replace"),
            "associated_data": b64encode(wrapped.binding.associated_data).decode(),
        }
        answer = self._call(f"{mount}/decrypt/{key}", body)
        try:
            seed = SecretBytes(b64decode(_text(answer, "data", "plaintext") or "", validate=True))
        except (NotBase64, ValueError):
            raise WrapperFailed("The answer of Vault is no base64.") from None
        if len(seed.reveal()) != SEED_BYTES:
            length = len(seed.reveal())
            seed.wipe()
            raise WrapperFailed(f"Vault unwrapped {length} bytes instead of {SEED_BYTES}.")
        return seed

    def _call(self, path: str, body: Answer) -> Answer:
        if self._server is None:
            raise WrapperFailed("BOTKEYS_VAULT_ADDR is not set.")
        return _apart(_logged_in(self._server, path, body))


async def _logged_in(server: VaultServer, path: str, body: Answer) -> Answer:
    try:
        outbound = Outbound(ca_file=server.ca_file)
    except OutboundFault as error:
        raise WrapperFailed(str(error)) from None
    async with HttpTransport(_LIMITS, outbound=outbound) as transport:
        token = await _token(transport, server)
        return await _post(transport, server, path, body, token)


async def _token(transport: HttpTransport, server: VaultServer) -> str:
    login = server.login
    if login.token is not None:
        return login.token
    if login.kubernetes_role is not None and login.kubernetes_token is not None:
        path = f"auth/{login.mount or 'kubernetes'}/login"
        proof = {"role": login.kubernetes_role, "jwt": _read(login.kubernetes_token)}
    elif login.role_id is not None and login.secret_id is not None:
        path = f"auth/{login.mount or 'approle'}/login"
        proof = {"role_id": login.role_id, "secret_id": login.secret_id}
    else:
        raise WrapperFailed(
            "There is nothing to log in to Vault with: set BOTKEYS_VAULT_TOKEN, BOTKEYS_VAULT_ROLE "
            "(Kubernetes), or BOTKEYS_VAULT_ROLE_ID and BOTKEYS_VAULT_SECRET_ID (AppRole)."
        )
    token = _text(await _post(transport, server, path, proof, None), "auth", "client_token")
    if not token:
        raise WrapperFailed("The answer of Vault to the login has no token.")
    return token


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_TOKEN).decode().strip()
    except (OSError, UnicodeDecodeError):
        raise WrapperFailed(f"The service account's token {path} cannot be read.") from None


async def _post(
    transport: HttpTransport, server: VaultServer, path: str, body: Answer, token: str | None
) -> Answer:
    headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
    if token is not None:
        headers["X-Vault-Token"] = token
    if server.namespace is not None:
        headers["X-Vault-Namespace"] = server.namespace
    address = f"{server.address.rstrip('/')}/v1/{path}"
    try:
        answer = await transport.request(
            "POST", address, headers=headers, content=json.dumps(body).encode()
        )
    except TransportError as error:
        raise WrapperFailed(f"Vault does not answer: {error}.", temporary=error.retryable) from None
    if answer.status != 200:
        # Its text is not passed on: it may echo what was sent.
        hint = " (the token may not, or has expired)" if answer.status == _FORBIDDEN else ""
        raise WrapperFailed(
            f"Vault answered {answer.status} to {path}{hint}.",
            temporary=answer.status >= _SERVER_FAULT or answer.status == _TOO_MANY,
        )
    try:
        found = json.loads(answer.body)
    except ValueError:
        raise WrapperFailed("The answer of Vault is no JSON.") from None
    return found if isinstance(found, dict) else {}


def _text(answer: Answer, part: str, name: str) -> str | None:
    found = answer.get(part)
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None


def _apart(call: Coroutine[Any, Any, Answer]) -> Answer:
    """Run the call in a thread and an event loop of its own: this one may have a loop that runs."""
    outcome: list[Answer | BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(call))
        except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=run, name="vault", daemon=True)
    thread.start()
    thread.join()
    found = outcome.pop()
    if isinstance(found, BaseException):
        raise found
    return found
