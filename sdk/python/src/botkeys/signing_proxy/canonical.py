"""Requests in the one form in which they are judged and forwarded.

Whatever two programs could read in different ways is refused: escapes and dot segments in a path,
a parameter that comes twice, JSON with the same member twice, names that differ only in case. What
is forwarded is written again from what was read, so that the exchange sees what was judged.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from botkeys.signing_proxy.refusals import malformed

Pairs = Sequence[tuple[str, str]]
"""Parameters, decoded, each name once."""

MOST_BODY = 1 << 20
_DEEPEST = 8
_LONGEST_NUMBER = 15  # digits that a float keeps
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
_PATH = re.compile(r"(?:/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)+", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
# Control characters, and halves of surrogate pairs, which UTF-8 does not have.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_OVERRIDES = frozenset(
    {
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-host",
        "content-encoding",
    }
)
# Of headers that decide something, a second one is refused; of others the last one counts.
_ONCE = re.compile(r"host|content-.*|transfer-encoding|x-mbx-.*|x-bapi-.*|ok-access-.*|authoriz.*")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it was received. Its repr is bare: it holds the placeholder."""

    method: str
    target: bytes = field(repr=False)
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that can be read in one way only. `document` is a JSON body."""

    method: str
    path: str
    query: Pairs = field(repr=False)
    form: Pairs = field(repr=False)
    document: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of query and form, which share no name."""
        return dict([*self.query, *self.form])


def read(incoming: Incoming) -> Call:
    """Return the request in canonical form. Raises `Refusal`."""
    if incoming.method not in _METHODS:
        raise malformed("Only GET, POST, PUT and DELETE are forwarded.")
    headers = read_headers(incoming.headers)
    path, query = read_target(incoming.target)
    form, document = _read_body(incoming, headers)
    distinct(name for name, _ in (*query, *form))
    return Call(incoming.method, path, query, form, document, headers)


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name in _OVERRIDES or "_" in name:
            raise malformed(f"The header {name} is not forwarded.")
        if name in headers and _ONCE.fullmatch(name):
            raise malformed(f"The header {name} comes twice.")
        headers[name] = value.strip()
    if "transfer-encoding" in headers and "content-length" in headers:
        raise malformed("A request has a length or is chunked, not both.")
    return headers


def read_target(target: bytes) -> tuple[str, Pairs]:
    """Return path and parameters of a request target in origin form."""
    try:
        text = target.decode("ascii")
    except UnicodeDecodeError:
        raise malformed("The request target is not ASCII.") from None
    path, _, query = text.partition("?")
    if not _PATH.fullmatch(path):
        raise malformed("The path has an escape, an empty or a dot segment, or no slash at first.")
    return path, read_pairs(query)


def read_pairs(text: str) -> Pairs:
    """Return the parameters of a query or form."""
    pairs = []
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise malformed("A parameter has no value.")
        pairs.append((_decoded(name), _decoded(value)))
    distinct(name for name, _ in pairs)
    return tuple(pairs)


def write_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the parameters as a query or form."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def distinct(names: Iterable[str]) -> None:
    """Refuse names that occur twice, or that differ only in case, and those of no known form."""
    seen: set[str] = set()
    for name in names:
        if not _NAME.fullmatch(name) or name == "_method":
            raise malformed("A parameter has a name that no exchange uses.")
        lowered = name.lower()
        if lowered in seen:
            raise malformed(f"The parameter {name} comes twice.")
        seen.add(lowered)


def read_document(body: bytes) -> Any:
    """Return strict JSON: no member twice, no number that loses digits, nothing but UTF-8."""
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_float,
            parse_int=_int,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError):
        raise malformed("The body is not JSON.") from None
    _check_depth(document, _DEEPEST)
    return document


def write_document(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def spelled(given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse names that differ from known ones only in case."""
    known = {name.lower(): name for name in names}
    for name in given:
        if known.get(name.lower(), name) != name:
            raise malformed(f"The parameter {name} is spelled {known[name.lower()]}.")


def _read_body(incoming: Incoming, headers: Mapping[str, str]) -> tuple[Pairs, Any]:
    if not incoming.body:
        return (), None
    if incoming.method == "GET":
        raise malformed("A GET has no body.")
    kind, _, parameter = headers.get("content-type", "").lower().partition(";")
    if parameter.strip() not in {"", "charset=utf-8"}:
        raise malformed("A body is UTF-8.")
    if kind.strip() == _JSON:
        return (), read_document(incoming.body)
    if kind.strip() == _FORM:
        try:
            return read_pairs(incoming.body.decode("ascii")), None
        except UnicodeDecodeError:
            raise malformed("A form is ASCII.") from None
    raise malformed("A body is a form or JSON, and its Content-Type says which.")


def _decoded(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise malformed("A parameter has a broken escape.")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("A parameter is not UTF-8.") from None
    if _CONTROL.search(decoded):
        raise malformed("A parameter has a control character or half of a character.")
    return decoded


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    distinct(name for name, _ in pairs)
    return dict(pairs)


def _float(text: str) -> float:
    mantissa = text.lower().partition("e")[0]
    value = float(text)
    if sum(c.isdigit() for c in mantissa) > _LONGEST_NUMBER or value in {
        float("inf"),
        -float("inf"),
    }:
        raise malformed("A number has too many digits: send it as text.")
    return value


def _int(text: str) -> int:
    if len(text) > 19:
        raise malformed("A number has too many digits: send it as text.")
    return int(text)


def _constant(text: str) -> Any:
    raise malformed(f"{text} is not JSON.")


def _check_depth(value: Any, left: int) -> None:
    if left < 0:
        raise malformed("The body is nested too deeply.")
    if isinstance(value, str) and _CONTROL.search(value):
        raise malformed("A value has a control character or half of a character.")
    if isinstance(value, dict):
        for inner in value.values():
            _check_depth(inner, left - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_depth(inner, left - 1)
