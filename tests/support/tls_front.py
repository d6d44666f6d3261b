"""TLS before a PostgreSQL that has none, and certificates of an authority of ours.

The embedded server is built without TLS. This front answers the client's SSLRequest as the server
does, then passes bytes on: https://www.postgresql.org/docs/current/protocol-flow.html.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of a certificate and its private key, both in PEM form."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority, whose own certificate is at `path`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        own = self._signed(self._name, self._key, authority=True, end=timedelta(days=1))
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, *, host: str = "127.0.0.1", end: timedelta = timedelta(days=1)
    ) -> Certificate:
        """Return a certificate for `host` that ends this long from now, or has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = self._signed(subject, key, authority=False, end=end, host=host)
        issued = Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        issued.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        _write_key(issued.key, key)
        return issued

    def write_key(self) -> Path:
        """Write its own key to a file, for a server whose certificate nobody else issued."""
        path = self.path.with_suffix(".key")
        _write_key(path, self._key)
        return path

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool,
        end: timedelta,
        host: str = "",
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if host:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host)]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def tls_front(
    connect: Callable[[], Awaitable[Streams]],
    certificate: Certificate,
    clients: Authority | None = None,
) -> AsyncIterator[int]:
    """Yield the loopback port of TLS before the server to which `connect` opens a connection.

    With `clients`, a client needs a certificate of that authority.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.path)
    open_pairs: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_pairs.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if await reader.readexactly(8) == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                await _pass_both(reader, writer, *await connect())
        writer.close()
        open_pairs.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in open_pairs:
            task.cancel()


async def _pass_both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    reader_behind: asyncio.StreamReader,
    writer_behind: asyncio.StreamWriter,
) -> None:
    try:
        await asyncio.gather(_pass(reader, writer_behind), _pass(reader_behind, writer))
    finally:
        writer_behind.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
