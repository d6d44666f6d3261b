"""A file for a bot's token, which appears whole and readable by its owner alone, or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from botkeys.commands.endings import UsageFault


@contextmanager
def new_private_file(path: Path) -> Iterator[Callable[[str], object]]:
    """Yield a function that writes the content; it takes the path's place once the block ends.

    The file is made before anything is written, so that no token is made which cannot be kept.
    Raises UsageFault if that fails, or if the path is a folder, a device or a link, none of which
    a file may replace.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageFault(f"{path} is not a regular file. Name a file.", code="file_unwritable")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UsageFault(
            f"{path} cannot be written: {error.strerror}.", code="file_unwritable"
        ) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
