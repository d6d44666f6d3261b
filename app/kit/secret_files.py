"""Files that hold one secret as text, as platforms mount them."""

from pathlib import Path

LARGEST = 16 * 1024


class SecretFileUnusable(Exception):
    """The file holds no secret; the message says why and shows nothing of its content."""


def read_secret_file(path: Path) -> str:
    """Return the file's text without the line's end; raise SecretFileUnusable."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretFileUnusable(f"cannot be read ({error.strerror})") from None
    except ValueError:  # a name with a zero byte
        raise SecretFileUnusable("cannot be read (invalid name)") from None
    if len(content) > LARGEST:
        raise SecretFileUnusable(f"is larger than {LARGEST} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SecretFileUnusable("is not text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretFileUnusable("is empty")
    if not text.isprintable():
        raise SecretFileUnusable("is not one line of printable text")
    return text
