"""What a file in a key folder holds, judged by its content: a name proves nothing."""

import re
import stat
from enum import StrEnum
from pathlib import Path

from app.custody import files
from app.custody.errors import KeyFileUnusable


class Content(StrEnum):
    """The kinds of content, as a message names them."""

    MASTER_PRIVATE = "a private master key"
    MASTER_PUBLIC = "a public master key"
    TOKEN_HMAC = "the key of bot tokens"
    FINGERPRINT_HMAC = "the key that finds duplicates"
    AUDIT_HMAC = "the key of the audit log"
    WEBHOOK = "the key of webhooks"
    PRIVATE_KEY = "a private key of another kind"
    UNKNOWN = "not a key file"


_HEADINGS = {
    b"master-private": Content.MASTER_PRIVATE,
    b"master-public": Content.MASTER_PUBLIC,
    b"token-hmac": Content.TOKEN_HMAC,
    b"fingerprint-hmac": Content.FINGERPRINT_HMAC,
    b"audit-hmac": Content.AUDIT_HMAC,
    b"webhook-key": Content.WEBHOOK,
}
# Anywhere in the file: a copy may stand behind a comment, or in an archive with others.
_HEADING = re.compile(rb"botkeys (%s) [0-9]" % b"|".join(_HEADINGS))
_PRIVATE = re.compile(rb'-----BEGIN [A-Z0-9 ]*PRIVATE KEY|"kty"(?s:.)*"d"\s*:|"d"\s*:(?s:.)*"kty"')


def contents(path: Path) -> frozenset[Content]:
    """Return what the file holds; nothing if this process cannot read it, or it has gone.

    A link is judged by what it leads to. Raises KeyFileExposed for a file that belongs to another
    user, and KeyFileUnusable for a folder.
    """
    try:
        found = path.stat()
    except OSError:
        return frozenset({Content.UNKNOWN} if path.is_symlink() else ())
    if stat.S_ISDIR(found.st_mode):
        raise KeyFileUnusable(path, "is a folder, but a key folder holds only files. Remove it.")
    files.check_owner(path, found)
    if not stat.S_ISREG(found.st_mode) or found.st_size > files.LONGEST_FILE:
        return frozenset({Content.UNKNOWN})
    try:
        with files.read_any(path) as box:
            return _judged(box.reveal())
    except OSError:
        return frozenset()


def _judged(text: bytearray) -> frozenset[Content]:
    held = {_HEADINGS[match[1]] for match in _HEADING.finditer(text)}
    if _PRIVATE.search(text):
        held.add(Content.PRIVATE_KEY)
    return frozenset(held or {Content.UNKNOWN})
