"""Looks for secrets where none may be: in dumps of the database and in every file of the service.

A secret is sought in every dress in which it could lie there: as text, as hexadecimal (PostgreSQL
dumps bytes so), in base64 at each of the three alignments and percent-encoded.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

SHORTEST = 16
"""Characters. Deribit's ids are shorter, and would be found by chance."""


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file with its path: of a stopped service, whose files hold still."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes()


def dresses(secret: str) -> set[bytes]:
    """How a text could lie in a file. Raises `ValueError` for one too short to be told apart."""
    if len(secret) < SHORTEST:
        raise ValueError(f"a text below {SHORTEST} characters is found by chance")
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode()}
    for ahead in range(3):
        # The characters at the ends mix with what stands beside the secret: leave them out.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * ahead + raw)
            found.add(text[(0, 2, 3)[ahead] : len(text) // 4 * 4 - 4])
    return found


def find(
    needles: Mapping[str, str], haystacks: Iterable[tuple[str, bytes]]
) -> list[tuple[str, str]]:
    """Where which needle lies: `(name of the needle, name of the haystack)`."""
    wanted = {name: dresses(text) for name, text in needles.items()}
    return [
        (name, place)
        for place, content in haystacks
        for name, texts in wanted.items()
        if any(text in content for text in texts)
    ]
