"""Reading and publishing files that others must not read, alter, or see half written.

Contents travel in boxes, because a log of a failure may show the local variables of every frame.
"""

import fcntl
import hmac
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.custody.errors import KeyFileExposed, KeyFileGarbled, KeyFileMissing, KeyFileUnusable
from app.custody.mounts import is_platform_mount
from botkeys.sealing.boxes import SecretBytes

FOLDER_MODE = 0o700
FILE_MODE = 0o600

LONGEST_FILE = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_folder(path: Path) -> None:
    """Check that the folder is private, or a platform's mount.

    Raises KeyFileMissing, KeyFileExposed or KeyFileUnusable.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise KeyFileMissing(path, "the folder of key files does not exist.") from None
    except OSError as error:
        raise KeyFileUnusable(path, f"cannot be read ({error.strerror}).") from None
    if not stat.S_ISDIR(found.st_mode):
        raise KeyFileUnusable(path, "is not a folder.")
    check_owner(path, found)
    if found.st_mode & _OTHERS and not is_platform_mount(path):
        raise KeyFileExposed(
            path, f"other users can access this folder. Fix it with: chmod 700 '{path}'"
        )


def check_owner(path: Path, found: os.stat_result) -> None:
    """Raise KeyFileExposed unless this process's user or root owns the file, as root too.

    An owner could change what a file holds at any time.
    """
    user = os.geteuid()
    if found.st_uid not in (user, 0):
        raise KeyFileExposed(path, f"belongs to another user. Fix it with: chown {user} '{path}'")


def names(folder: Path) -> list[Path]:
    """Return what the folder holds, by name; raise KeyFileUnusable."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise KeyFileUnusable(folder, f"cannot be read ({error.strerror}).") from None


def create_folder(path: Path) -> None:
    """Create the folder with mode 0700, or check an existing one; raise as check_folder does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE)
        path.chmod(FOLDER_MODE)  # the umask may have removed permissions that the owner needs
    except FileExistsError:
        pass
    except OSError as error:
        raise KeyFileUnusable(path, f"cannot be created ({error.strerror}).") from None
    check_folder(path)


def read(path: Path, *, private: bool) -> SecretBytes:
    """Return the content, after checking mode and owner on the open file rather than on its name.

    Anyone may read a public file, but only its owner may be able to write it. So it is with every
    file that root owns on a platform's mount. Raises KeyFileError.
    """
    try:
        # Without O_NONBLOCK, a named pipe in this place would block start-up indefinitely.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyFileMissing(path, "does not exist.") from None
    except OSError as error:
        raise KeyFileUnusable(path, f"cannot be read ({error.strerror}).") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileUnusable(path, "is not a regular file.")
        check_owner(path, found)
        if private and found.st_mode & _OTHERS:
            private = not _is_mounted(path.parent, found)
        if found.st_mode & (_OTHERS if private else _OTHERS_WRITE):
            mode = "600" if private else "644"
            verb = "read" if private else "write"
            raise KeyFileExposed(
                path, f"other users can {verb} it. Fix it with: chmod {mode} '{path}'"
            )
        if found.st_size > LONGEST_FILE:
            raise KeyFileGarbled(path, "is larger than any key file. It was not changed.")
        return SecretBytes(file.read(LONGEST_FILE))


def _is_mounted(folder: Path, file: os.stat_result) -> bool:
    """Return whether a platform provides the file: a link may lead out of its mount."""
    return file.st_uid == 0 and is_platform_mount(folder) and file.st_dev == folder.stat().st_dev


def read_any(path: Path) -> SecretBytes:
    """Return a file's content without checks, to find out what it is; raise OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return SecretBytes(file.read(LONGEST_FILE))


def publish(path: Path, content: SecretBytes) -> bool:
    """Publish a complete file under its name atomically; return False if the name is taken.

    A hard link is the only single step that fails on a taken name and never shows half a file. The
    file and its folder are on disk when this returns. Raises KeyFileUnusable.
    """
    draft = path.parent / f".{path.name}.{secrets.token_hex(8)}.draft"
    try:
        try:
            _write(draft, content)
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise KeyFileUnusable(path, f"cannot be created ({error.strerror}).") from None
    return True


def replace(path: Path, before: SecretBytes, content: SecretBytes) -> None:
    """Replace a file that still holds `before`, in one step that leaves one content or the other.

    The new file belongs to the owner of the old one and is on disk when this returns. Raises
    KeyFileError.
    """
    with read(path, private=True) as now:
        if path.is_symlink() or not hmac.compare_digest(now.reveal(), before.reveal()):
            raise KeyFileUnusable(path, "is a link, or changed meanwhile. It was left as it is.")
    draft = path.parent / f".{path.name}.replacement.draft"
    try:
        draft.unlink(missing_ok=True)  # of a process that was killed; the folder is locked
        try:
            _write(draft, content)
            found = path.stat()
            if found.st_uid != os.geteuid():
                os.chown(draft, found.st_uid, found.st_gid)
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise KeyFileUnusable(path, f"cannot be replaced ({error.strerror}).") from None


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, which the kernel frees with the process.

    Raises KeyFileUnusable if another process has it.
    """
    check_folder(folder)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KeyFileUnusable(folder, f"cannot be read ({error.strerror}).") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise KeyFileUnusable(folder, "another process changes its files.") from None
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove drafts that a process killed between link and unlink has left behind."""
    for draft in folder.glob(".*.draft"):
        if draft.lstat().st_nlink > 1:
            draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, content: SecretBytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)  # for the same reason as in create_folder
        file.write(content.reveal())
        file.flush()
        os.fsync(file.fileno())
