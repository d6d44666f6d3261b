"""TLS to PostgreSQL, given in the database's address as for libpq.

Parameters: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS. The
driver creates an `SSLContext` from them for each connection, so renewed certificates need no
restart. It takes them as a DSN only: they become one here, and are tried once, so that a wrong file
is reported at the start.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
PARAMETERS = (
    "sslmode",
    *_FILES,
    "sslpassword",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_VERIFYING = ("verify-ca", "verify-full")
_OF_THE_SYSTEM = "system"


class DatabaseAddressError(Exception):
    """The address of the database cannot be used; the message names the parameter and its file."""


def tls_dsn(query: Mapping[str, str]) -> str | None:
    """Return the driver's DSN of these parameters of an address, `None` if there are none.

    `sslrootcert=system` means the certificate authorities of the system. Raises
    `DatabaseAddressError` for an unknown mode and for a file that cannot be used.
    """
    if not query:
        return None
    given = dict(query)
    mode = given.get("sslmode", "prefer")
    if mode not in _MODES:
        raise DatabaseAddressError(
            f"sslmode in the database's address must be one of {', '.join(_MODES)}."
        )
    if given.get("sslrootcert") == _OF_THE_SYSTEM:
        given["sslrootcert"] = _system_authorities()
    if mode in _VERIFYING and "sslrootcert" not in given:
        raise DatabaseAddressError(
            f"sslmode={mode} in the database's address needs sslrootcert: the file of the "
            "authority that signed the server's certificate, or `system`."
        )
    _try_files(given)
    return f"postgresql://?{urlencode(given)}"


def certificate_sentence(error: BaseException) -> str | None:
    """Return what is wrong with the server's certificate or TLS; None if that is not the error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of the database's server is not accepted: {error.verify_message}. It "
            "is compared with sslrootcert and the host name in the database's address."
        )
    if isinstance(error, ssl.SSLError):
        return f"The TLS handshake with the database's server failed: {error.reason}."
    return None


def _system_authorities() -> str:
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None:
        raise DatabaseAddressError(
            "sslrootcert=system: this system has no file of certificate authorities where OpenSSL "
            f"looks for it ({paths.openssl_cafile}). Name the file instead."
        )
    return paths.cafile


def _try_files(given: Mapping[str, str]) -> None:
    for name in _FILES:
        if name in given and not Path(given[name]).is_file():
            raise DatabaseAddressError(
                f"{name} in the database's address names a file that does not exist or must not be "
                f"read: {given[name]}"
            )
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in ("sslrootcert", "sslcrl"):
        if name in given:
            try:
                trial.load_verify_locations(cafile=given[name])
            except (OSError, ssl.SSLError):
                raise DatabaseAddressError(
                    f"{name} in the database's address names a file without a readable certificate "
                    f"in PEM form: {given[name]}"
                ) from None
    if "sslcert" in given:
        try:
            trial.load_cert_chain(
                given["sslcert"],
                given.get("sslkey"),
                password=lambda: given.get("sslpassword", ""),
            )
        except (OSError, ssl.SSLError):
            raise DatabaseAddressError(
                "sslcert and sslkey in the database's address are not a certificate in PEM form "
                f"and its private key: {given['sslcert']}, {given.get('sslkey', 'no sslkey')}"
            ) from None
