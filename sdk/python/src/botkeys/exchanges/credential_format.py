"""Checks of credentials that need no exchange: what cannot be valid is rejected at once."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from botkeys.exchanges.credential_forms import (
    GROUP_KEYS,
    LONGEST,
    LONGEST_PEM,
    PASSPHRASE_EXCHANGES,
    PRIVATE_KEY_EXCHANGES,
    form_of,
)
from botkeys.exchanges.model import Credentials
from botkeys.exchanges.pasted import with_pem_lines
from botkeys.exchanges.pem import PrivateKey, is_pem, private_key
from botkeys.sealing.secret import Secret

# Exchanges that let a user register a public key, with the kinds they take. The API secret is
# then the private key as PEM, the one credential that rightly has line breaks.
_PEM_KINDS: dict[str, tuple[type[PrivateKey], ...]] = {
    "binance": (RSAPrivateKey, Ed25519PrivateKey),
    "bybit": (RSAPrivateKey,),
    "deribit": (RSAPrivateKey, Ed25519PrivateKey),
}
_SHORTEST_RSA = 2048  # bits
_DELETE = "\x7f"


def takes_private_keys(exchange: str) -> bool:
    """Return whether a user can register a public key at the exchange, and use the private half."""
    return exchange in PRIVATE_KEY_EXCHANGES


def malformed(exchange: str, credentials: Credentials) -> str | None:
    """Return why these credentials cannot be valid at this exchange; `None` if they can.

    The sentence names the field and never repeats anything of its content.
    """
    secret = credentials.api_secret.reveal()
    passphrase = credentials.api_passphrase
    if passphrase is not None and exchange not in PASSPHRASE_EXCHANGES:
        return "api_passphrase must be omitted: this exchange does not use a passphrase."
    return (
        _fault(exchange, "api_key", credentials.api_key.reveal())
        or _secret_fault(exchange, secret)
        or (passphrase and _fault(exchange, "api_passphrase", passphrase.reveal()))
    )


def malformed_api_key(exchange: str, api_key: Secret) -> str | None:
    """Return why an API key alone cannot be valid at this exchange; `None` if it can."""
    return _fault(exchange, "api_key", api_key.reveal())


def _secret_fault(exchange: str, secret: str) -> str | None:
    if is_pem(secret):
        return _pem_fault(exchange, secret)
    if not takes_private_keys(exchange) and with_pem_lines(secret) is not None:
        return "api_secret is a private key, which this exchange does not use."
    return _fault(exchange, "api_secret", secret)


def _pem_fault(exchange: str, pem: str) -> str | None:
    kinds = _PEM_KINDS.get(exchange)
    if kinds is None:
        return "api_secret is PEM text, which this exchange does not use."
    if len(pem) > LONGEST_PEM:
        return f"api_secret is longer than {LONGEST_PEM} characters."
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


def _fault(exchange: str, name: str, text: str) -> str | None:
    """Return what keeps a text from having its form."""
    if form_of(exchange, name).allows(text):
        return None
    return _text_fault(name, text) or _special_fault(exchange, name)


def _text_fault(name: str, text: str) -> str | None:
    if not text:
        return f"{name} is empty."
    if len(text) > LONGEST[name]:
        return f"{name} is longer than {LONGEST[name]} characters."
    if not text.isascii():
        return f"{name} contains non-ASCII characters."
    if any(character <= " " or character == _DELETE for character in text):
        return f"{name} contains white space or control characters."
    return None


def _special_fault(exchange: str, name: str) -> str:
    if name == "api_secret":
        return "api_secret is not base64, but this exchange's secrets are."
    return (
        f"{name} is the key of a group of accounts ({GROUP_KEYS[exchange]}…): create a key of the"
        " account that your bot trades in."
    )
