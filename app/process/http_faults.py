"""What is wrong with a request that is not HTTP/1.1 in a form that every server reads alike."""

from collections.abc import Sequence
from re import compile as regex

import httptools

from app.errors import AppError, MalformedRequest

_HOST = regex(rb"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]{1,255}")


class UnknownVersion(MalformedRequest):
    detail = "The request is not of HTTP/1.1 or HTTP/1.0."


class NotOneHost(MalformedRequest):
    detail = (
        "The request needs exactly one header `Host`, with the name or address of this service."
    )


class AmbiguousLength(MalformedRequest):
    detail = (
        "The length of the request's body is ambiguous: send one `Content-Length`, or "
        "`Transfer-Encoding: chunked` by HTTP/1.1."
    )


class UnknownMethod(MalformedRequest):
    detail = "The request's first word is not a method of HTTP."


class MalformedAddress(MalformedRequest):
    detail = "The request's address is malformed: percent-encode what is not of printable ASCII."


class TooMuchFraming(MalformedRequest):
    detail = "The request's body consists mostly of framing: send larger chunks and no trailers."


def fault_of_head(
    version: str, hosts: Sequence[bytes], codings: Sequence[bytes]
) -> AppError | None:
    """Return what another server on the way might read differently, or not at all.

    `hosts` and `codings` are the values of the headers Host and Transfer-Encoding.
    """
    if version not in {"1.1", "1.0"}:
        return UnknownVersion()
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_HOST.fullmatch, hosts)):
        return NotOneHost()
    if codings and (version != "1.1" or list(codings) != [b"chunked"]):
        return AmbiguousLength()
    return None


def fault_of_parser(error: httptools.HttpParserError) -> AppError:
    """Return the answer to what the parser rejected. Its own text may quote the request."""
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return UnknownMethod()
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return MalformedAddress()
    return MalformedRequest()
