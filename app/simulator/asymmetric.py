"""Signatures of keys whose public half a user registered, verified with code of its own."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PublicKey = RSAPublicKey | Ed25519PublicKey


def signed_by(public_pem: str, message: str, signature: bytes | None) -> bool:
    """Return whether the private half signed the message: RSA as PKCS #1 v1.5, or Ed25519."""
    public = load_pem_public_key(public_pem.encode("ascii"))
    received = message.encode("latin-1")
    if signature is None:
        return False
    try:
        if isinstance(public, RSAPublicKey):
            public.verify(signature, received, PKCS1v15(), SHA256())
        elif isinstance(public, Ed25519PublicKey):
            public.verify(signature, received)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def from_base64url(text: str) -> bytes | None:
    """Return the bytes of base64url without padding."""
    if "+" in text or "/" in text or "=" in text:
        return None
    return from_base64(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4))
