"""The few pages of the sign-in: a title, a sentence, and a link or a button.

They hold no script. Every text is ours: nothing that a caller or an issuer sent is shown.
"""

import base64
import hashlib
from dataclasses import dataclass
from html import escape

from fastapi import Response

from app.errors import AppError

_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center}"
    "main{max-width:26rem;padding:2rem}"
    "h1{font-size:1.25rem;margin:0 0 .5rem}"
    "a,button{display:inline-block;margin-top:1rem;padding:.5rem 1rem;font:inherit;"
    "border:1px solid;border-radius:.375rem;background:none;color:inherit;text-decoration:none;"
    "cursor:pointer}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What a page of the sign-in says. `action` is the label and the address of its way on."""

    title: str
    sentence: str
    action: tuple[str, str]
    status: int = 400


def message_page(message: Message) -> Response:
    """Return a page with a link."""
    label, address = message.action
    return _page(message, f'<a href="{escape(address)}">{escape(label)}</a>')


def button_page(message: Message) -> Response:
    """Return a page with a button, which posts to the given address."""
    label, address = message.action
    return _page(
        message,
        f'<form method="post" action="{escape(address)}"><button>{escape(label)}</button></form>',
    )


def problem_page(error: AppError, action: tuple[str, str]) -> Response:
    """Return the page of one of our errors, with its status and headers."""
    response = message_page(Message(error.title, error.detail, action, error.status))
    response.headers.update(error.headers)
    return response


def redirect(address: str, *cookies: str) -> Response:
    """Return a redirect that keeps no trace of the address it came from, and sets these cookies."""
    response = Response(status_code=303, headers={**HEADERS, "Location": address})
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response


def _page(message: Message, way_on: str) -> Response:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(message.title)} · Botkeys</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(message.title)}</h1><p>{escape(message.sentence)}</p>"
        f"{way_on}</main></body></html>"
    )
    return Response(text, status_code=message.status, media_type="text/html", headers=HEADERS)
