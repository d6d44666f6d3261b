"""Makes key pairs beside the event loop, one at a time in a process."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.api.write_limiter import AccountWriteLimiter
from botkeys.exchanges.model import PairAlgorithm
from botkeys.sealing.secret import Secret

RSA_BITS = 2048
"""What all of these exchanges take; 4096 bits take ten times as long to make."""
_RSA_EXPONENT = 65537


class Pair(NamedTuple):
    """Both halves as PEM text, the private one boxed."""

    private_half: Secret
    public_key: str


class PairGenerator:
    """The one place of a process where key pairs are made: some 0.2 s of processor for RSA.

    One thread makes them in the order of the requests, so that however many are asked for, other
    requests keep the other processors and the event loop. An account has one place in that line.
    """

    def __init__(self) -> None:
        self._places = AccountWriteLimiter(1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="key-pairs")

    async def generate(self, algorithm: PairAlgorithm) -> Pair:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _generate, algorithm)

    def turn(self, account_id: UUID) -> AbstractAsyncContextManager[object]:
        """Hold the account's place in line; raise `RateLimited` if it is not free in time."""
        return self._places.slot(account_id)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _generate(algorithm: PairAlgorithm) -> Pair:
    private: Ed25519PrivateKey | RSAPrivateKey
    if algorithm is PairAlgorithm.RSA:
        private = generate_private_key(_RSA_EXPONENT, RSA_BITS)
    else:
        private = Ed25519PrivateKey.generate()
    half = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Pair(Secret(half.decode("ascii")), public.decode("ascii"))
