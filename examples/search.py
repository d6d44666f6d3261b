"""Searches for secrets where none may be: in database dumps and in every file of the service.

A secret is searched in every encoding in which it could appear: as text, as hexadecimal (how
PostgreSQL dumps bytes), in base64 at each of the three alignments and percent-encoded.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

SHORTEST = 16
"""In characters. Deribit's ids are shorter, and would be found by chance."""


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file with its path; the service must be stopped, so that no file changes."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes()


def dresses(secret: str) -> set[bytes]:
    """Return all encodings of a text; raise `ValueError` if it is too short to be distinctive."""
    if len(secret) < SHORTEST:
        raise ValueError(f"a text below {SHORTEST} characters is found by chance")
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode()}
    for ahead in range(3):
        # The characters at the ends depend on the bytes beside the secret: leave them out.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * ahead + raw)
            found.add(text[(0, 2, 3)[ahead] : len(text) // 4 * 4 - 4])
    return found


def find(
    needles: Mapping[str, str], haystacks: Iterable[tuple[str, bytes]]
) -> list[tuple[str, str]]:
    """Return the occurrences as `(name of the needle, name of the haystack)`."""
    wanted = {name: dresses(text) for name, text in needles.items()}
    return [
        (name, place)
        for place, content in haystacks
        for name, texts in wanted.items()
        if any(text in content for text in texts)
    ]
