"""Which certificates are accepted, and which one was not.

Accepted are those of the authorities that httpx trusts (certifi), and of additional ones that a PEM
file names. A failed verification is raised with the certificate that failed it, which neither
OpenSSL's message nor its code names.
"""

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import certifi

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_LONGEST_FILE = 1 << 20
_BLOCK = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)
_LONGEST_NAME = 100
# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21, 27})


class CaFileFault(ValueError):
    """A file of authorities that cannot be used; the message names its path and the reason."""


@dataclass(frozen=True, slots=True)
class RejectedCertificate:
    """A certificate that was not accepted. `subject` and `issuer` are empty if it is not known.

    They are the other side's words: shortened, and in printable ASCII alone.
    """

    host: str
    reason: str
    subject: str = ""
    issuer: str = ""
    may_be_private: bool = False

    def __str__(self) -> str:
        named = f", “{self.subject}” issued by “{self.issuer}”," if self.subject else ""
        hint = (
            " If a private authority issued it, name that authority's certificate in "
            "BOTKEYS_CA_FILE."
            if self.may_be_private
            else ""
        )
        return f"the certificate of {self.host}{named} is not accepted: {self.reason}.{hint}"


class CertificateRejection(ssl.SSLCertVerificationError):
    """A failed verification with the certificate that failed it."""

    rejected: RejectedCertificate


class _NamingObject(ssl.SSLObject):
    """A TLS connection that names the certificate which it does not accept."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            rejection = CertificateRejection(*error.args)
            rejection.rejected = _rejected(self, error)
        else:
            return
        raise rejection


def tls_context(authorities: bytes | None = None) -> ssl.SSLContext:
    """Return a context that accepts public authorities and those of `authorities`, PEM blocks.

    Raises `ssl.SSLError` if these cannot be parsed.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    context.sslobject_class = _NamingObject
    if authorities is not None:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
        # An intermediate authority may be named without its root, as Python 3.13 has it anyway.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@cache
def public_context() -> ssl.SSLContext:
    """Return the one context of the process for public authorities: making it takes 20 ms."""
    return tls_context()


def context_with(path: Path) -> ssl.SSLContext:
    """Return a context that also accepts the authorities in a file. Raises `CaFileFault`."""
    fault, content = "", b""
    try:
        if not path.is_file():
            fault = "is a folder or device, not a file" if path.exists() else "does not exist"
        else:
            with path.open("rb") as file:
                content = file.read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        fault = f"cannot be read: {getattr(error, 'strerror', None) or 'not a path'}"
    if not fault and len(content) > _LONGEST_FILE:
        fault = f"has more than {_LONGEST_FILE} bytes"
    if not fault and not content.strip():
        fault = "is empty"
    if fault:
        raise CaFileFault(f"{path} {fault}.")
    blocks = _BLOCK.findall(content)
    if not blocks:
        raise CaFileFault(f"{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).")
    if len(blocks) != content.count(b"-----BEGIN CERTIFICATE-----"):
        raise CaFileFault(f"{path} holds a certificate that is cut off or damaged.")
    try:
        return tls_context(b"\n".join(blocks))
    except ssl.SSLError:
        pass
    raise CaFileFault(f"{path} holds a certificate that cannot be read.")


def rejected_certificate(error: BaseException) -> RejectedCertificate | None:
    """Return the certificate that an error, or one that it came from, is about."""
    seen: BaseException | None = error
    for _ in range(10):
        if isinstance(seen, CertificateRejection):
            return seen.rejected
        if seen is None:
            break
        seen = seen.__cause__ or seen.__context__
    return None


def _rejected(tls: ssl.SSLObject, error: ssl.SSLCertVerificationError) -> RejectedCertificate:
    host = tls.server_hostname or "the server"
    code, reason = error.verify_code, error.verify_message
    private = code in _UNKNOWN_ISSUER
    try:
        certificate = _at_fault(_chain(tls), code)
    except Exception:  # noqa: BLE001  # whatever the other side sent: the reason is known without it
        certificate = None
    if certificate is None:
        return RejectedCertificate(host, reason, may_be_private=private)
    end = certificate.not_valid_after_utc
    if code == _EXPIRED:
        reason += f" on {end.date().isoformat()}"
    subject, issuer = (
        _printable(name.rfc4514_string()) for name in (certificate.subject, certificate.issuer)
    )
    return RejectedCertificate(host, reason, subject or "no name", issuer or "no name", private)


def _chain(tls: ssl.SSLObject) -> "Sequence[Certificate]":
    """Return what the other side sent, its own certificate first."""
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415  # for failures only

    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:  # since Python 3.13
        sent = cast("list[bytes]", public())
    else:
        inner: Any = tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        sent = [each.public_bytes(2) for each in inner.get_unverified_chain() or ()]  # 2: DER
    return [load_der_x509_certificate(each) for each in sent]


def _at_fault(chain: "Sequence[Certificate]", code: int) -> "Certificate | None":
    if not chain:
        return None
    now = datetime.now(UTC)
    if code == _EXPIRED:
        return next((each for each in chain if each.not_valid_after_utc < now), chain[0])
    if code == _NOT_YET_VALID:
        return next((each for each in chain if each.not_valid_before_utc > now), chain[0])
    # The last one is where the chain ends without an authority that is known.
    return chain[-1] if code in _UNKNOWN_ISSUER else chain[0]


def _printable(name: str) -> str:
    plain = "".join(each if each.isascii() and each.isprintable() else "?" for each in name)
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:_LONGEST_NAME]}…"
