"""base64url (RFC 4648 section 5) as all our formats write it: without padding, one text per value.

Python's own decoder takes `+` and `/` beside `-` and `_`, and ignores the bits that a last
character has too many. Altered text would then pass for the original.
"""

import base64


def encode(raw: bytes | bytearray) -> str:
    """Return the text of `raw`, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str | bytes | bytearray) -> bytes | None:
    """Return the bytes, or `None` for any text but the one that `encode` writes for them.

    It does not raise: an error would hold the text, which may be a secret.
    """
    try:
        given = text.encode("ascii") if isinstance(text, str) else bytes(text)
        raw = base64.urlsafe_b64decode(given + b"=" * (-len(given) % 4))
    except ValueError:
        return None
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == given else None
