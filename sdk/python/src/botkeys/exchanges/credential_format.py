"""Checks of credentials that need no exchange: what cannot be valid is rejected at once."""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from botkeys.exchanges.model import Credentials
from botkeys.exchanges.pasted import with_pem_lines
from botkeys.exchanges.pem import PrivateKey, is_pem, private_key
from botkeys.sealing.secret import Secret

_PASSPHRASE_EXCHANGES = frozenset({"okx", "kucoin"})

# Exchanges that let a user register a public key, with the kinds they take. The API secret is
# then the private key as PEM, the one credential that rightly has line breaks.
_PEM_KINDS: dict[str, tuple[type[PrivateKey], ...]] = {
    "binance": (RSAPrivateKey, Ed25519PrivateKey),
    "bybit": (RSAPrivateKey,),
    "deribit": (RSAPrivateKey, Ed25519PrivateKey),
}
_BASE64_SECRETS = frozenset({"kraken"})
_LONGEST = {"api_key": 256, "api_secret": 512, "api_passphrase": 128}
_LONGEST_PEM = 4096  # an RSA key of 4096 bits has 3,300 characters
_SHORTEST_RSA = 2048  # bits
_DELETE = "\x7f"
_GROUP_KEYS = {"gemini": "master-"}  # keys of a whole group of accounts, by how they begin


def takes_private_keys(exchange: str) -> bool:
    """Return whether a user can register a public key at the exchange, and use the private half."""
    return exchange in _PEM_KINDS


def malformed(exchange: str, credentials: Credentials) -> str | None:
    """Return why these credentials cannot be valid at this exchange; `None` if they can.

    The sentence names the field and never repeats anything of its content.
    """
    secret = credentials.api_secret.reveal()
    passphrase = credentials.api_passphrase
    if passphrase is not None and exchange not in _PASSPHRASE_EXCHANGES:
        return "api_passphrase must be omitted: this exchange does not use a passphrase."
    return (
        _text_fault("api_key", credentials.api_key.reveal())
        or _group_fault(exchange, credentials.api_key.reveal())
        or _secret_fault(exchange, secret)
        or (passphrase and _text_fault("api_passphrase", passphrase.reveal()))
    )


def malformed_api_key(exchange: str, api_key: Secret) -> str | None:
    """Return why an API key alone cannot be valid at this exchange; `None` if it can."""
    text = api_key.reveal()
    return _text_fault("api_key", text) or _group_fault(exchange, text)


def _group_fault(exchange: str, api_key: str) -> str | None:
    prefix = _GROUP_KEYS.get(exchange)
    if prefix is None or not api_key.startswith(prefix):
        return None
    return (
        f"api_key is the key of a group of accounts ({prefix}…): create a key of the account that"
        " your bot trades in."
    )


def _secret_fault(exchange: str, secret: str) -> str | None:
    if is_pem(secret):
        return _pem_fault(exchange, secret)
    if not takes_private_keys(exchange) and with_pem_lines(secret) is not None:
        return "api_secret is a private key, which this exchange does not use."
    fault = _text_fault("api_secret", secret)
    if fault is None and exchange in _BASE64_SECRETS:
        try:
            base64.b64decode(secret, validate=True)
        except binascii.Error:
            return "api_secret is not base64, but this exchange's secrets are."
    return fault


def _pem_fault(exchange: str, pem: str) -> str | None:
    kinds = _PEM_KINDS.get(exchange)
    if kinds is None:
        return "api_secret is PEM text, which this exchange does not use."
    if len(pem) > _LONGEST_PEM:
        return f"api_secret is longer than {_LONGEST_PEM} characters."
    if not pem.isascii():
        return "api_secret contains non-ASCII characters."
    try:
        key = private_key(pem)
    except ValueError as error:
        return f"api_secret {error}."
    return _kind_fault(key, kinds)


def _kind_fault(key: PrivateKey, kinds: tuple[type[PrivateKey], ...]) -> str | None:
    if not isinstance(key, kinds):
        return "api_secret is a private key of a type that this exchange does not accept."
    if isinstance(key, RSAPrivateKey) and key.key_size < _SHORTEST_RSA:
        return f"api_secret is an RSA key of fewer than {_SHORTEST_RSA} bits."
    return None


def _text_fault(name: str, text: str) -> str | None:
    if not text:
        return f"{name} is empty."
    if len(text) > _LONGEST[name]:
        return f"{name} is longer than {_LONGEST[name]} characters."
    if not text.isascii():
        return f"{name} contains non-ASCII characters."
    if any(character <= " " or character == _DELETE for character in text):
        return f"{name} contains white space or control characters."
    return None
