"""The format of a list's response, negotiated by `Accept` (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Iterator
from enum import Enum

from fastapi import Request

_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


class Form(Enum):
    """The formats, in the order that the service prefers if the caller does not care."""

    JSON = "application/json"
    CSV = "text/csv"
    NDJSON = "application/x-ndjson"


async def wanted_form(request: Request) -> Form:
    """Return the format that the caller prefers; JSON if it accepts none."""
    ranges = list(_ranges(",".join(request.headers.getlist("accept"))))
    found = {form: _liking(form, ranges) for form in Form}
    best = max(Form, key=lambda form: found[form])
    return best if found[best][0] > 0 else Form.JSON


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Yield media ranges with their quality; an unreadable quality counts as 0."""
    for part in accept.split(","):
        media_range, *parameters = part.split(";")
        quality = 1.0
        for parameter in parameters:
            if parameter.strip().lower().startswith("q"):
                found = _QUALITY.fullmatch(parameter)
                quality = float(found[1]) if found else 0.0
                break
        if media_range.strip():
            yield media_range.strip().lower(), quality


def _liking(form: Form, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """Return the quality by the most specific matching range, and how specific that range is."""
    names = (form.value, form.value.partition("/")[0] + "/*", "*/*")
    for specific, name in zip((2, 1, 0), names, strict=True):
        qualities = [quality for media_range, quality in ranges if media_range == name]
        if qualities:
            return max(qualities), specific
    return 0.0, 0
