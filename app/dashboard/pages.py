"""Serves the dashboard: one HTML page under the addresses of its views, and the page's files.

The address of a file holds a hash over all files, so that a browser keeps each one for good and
never combines two releases. Files are read and compressed once, when the process starts.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import NotFound

STATIC = Path(__file__).parent / "static"

VIEWS = (
    "/",
    "/overview",
    "/keys",
    "/keys/{id}",
    "/bots",
    "/bots/{id}",
    "/positions",
    "/trades",
    "/analytics",
    "/activity",
    "/audit",
    "/freezes",
    "/webhooks",
    "/webhooks/{id}",
    "/settings",
    "/sign-in",
)
"""The addresses that the page itself understands: `main.js` has the same list."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_COMPRESSED = {".js", ".css", ".svg", ".html"}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page, as it is and compressed."""

    content: bytes
    compressed: bytes | None
    media_type: str

    def response(self, request: Request, headers: dict[str, str]) -> Response:
        if self.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers = {**headers, "Content-Encoding": "gzip"}
            return Response(self.compressed, media_type=self.media_type, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


class Page:
    """The page and its files, in memory."""

    def __init__(self, folder: Path = STATIC) -> None:
        contents = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file() and not file.name.endswith(".d.ts")
        }
        index = contents.pop("index.html")
        self.release = _hash_of(contents)
        self._files = {name: _file(name, content) for name, content in contents.items()}
        self._index = _file("index.html", index.replace(b"/assets/", self._prefix.encode()))
        self._tag = f'"{hashlib.sha256(self._index.content).hexdigest()[:32]}"'

    @property
    def _prefix(self) -> str:
        return f"/assets/{self.release}/"

    def routes(self) -> list[Route]:
        """Return the routes of every view, and of the files."""
        return [
            *(Route(path, self._view, methods=["GET"]) for path in VIEWS),
            Route("/assets/{release}/{name:path}", self._asset, methods=["GET"]),
        ]

    async def _view(self, request: Request) -> Response:
        headers = {**_PAGE_HEADERS, "ETag": self._tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        return self._index.response(request, headers)

    async def _asset(self, request: Request) -> Response:
        """Return a file, also of another release: during an upgrade two releases serve one page,
        and a browser must not keep what it got from the other one.
        """
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise NotFound("file")
        own = request.path_params["release"] == self.release
        headers = {
            "Cache-Control": _FOR_GOOD if own else "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Vary": "Accept-Encoding",
        }
        return file.response(request, headers)


def _file(name: str, content: bytes) -> PageFile:
    suffix = Path(name).suffix
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    compressed = gzip.compress(content, 9, mtime=0) if suffix in _COMPRESSED else None
    return PageFile(content, compressed, media_type)


def _hash_of(contents: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, content in contents.items():
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:16]
