"""Secrets that are PEM private keys, for exchanges where a user registers the public half."""

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

_BEGIN = "-----BEGIN "


def is_pem(secret: str) -> bool:
    return secret.lstrip().startswith(_BEGIN)


def private_key(pem: str) -> PrivateKey:
    """Return the private key of a PEM text. Raises `ValueError` with our own message."""
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except TypeError:
        raise ValueError("is protected by a password: enter the key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a readable PEM private key") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("is a private key of a type that exchanges do not accept")  # noqa: TRY004  # a fault of the text, not of its type
    return key


def sign_with_pem(pem: str, message: bytes) -> str:
    """Return a signature as base64: RSA as PKCS #1 v1.5 with SHA-256, or Ed25519."""
    return base64.b64encode(signature(pem, message)).decode("ascii")


def signature(pem: str, message: bytes) -> bytes:
    key = private_key(pem)
    if isinstance(key, RSAPrivateKey):
        return key.sign(message, PKCS1v15(), SHA256())
    return key.sign(message)
