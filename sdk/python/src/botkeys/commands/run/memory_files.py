"""Files that hold credentials: on no disk unless asked for, and gone with the program.

A file is either on a tmpfs, in a folder that only its user may enter, or a memfd that the program
inherits and opens by its path under /proc. A folder is locked while its run lasts; one that nobody
locks was left by a run that was killed, and is removed by the next.
"""

import ctypes
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self, final

from botkeys.commands.run.refusals import NoPlace
from botkeys.sealing.secret import Secret

_PREFIX = "botkeys-run-"
_LOCK = ".lock"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # only folders made by mkdtemp are used in it
_TMPFS_MAGIC = 0x01021994
_RAMFS_MAGIC = 0x858458F6
_STATFS_BYTES = 512


def is_in_memory(folder: Path) -> bool:
    """Return whether files in the folder are kept in memory, as the kernel says."""
    if sys.platform != "linux":
        return False
    # The first member of struct statfs is f_type, a long.
    answer = ctypes.create_string_buffer(_STATFS_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(folder), answer) != 0:
        return False
    kind = ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF
    return kind in {_TMPFS_MAGIC, _RAMFS_MAGIC}


def memory_folders(variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders of this machine that are in memory and may be written, the best first."""
    named = variables.get("XDG_RUNTIME_DIR", "")
    for folder in (Path(named) if named.startswith("/") else None, _SHARED_MEMORY):
        if folder is not None and os.access(folder, os.W_OK | os.X_OK) and is_in_memory(folder):
            yield folder


@final
class CredentialFiles:
    """The files of one run, in a context: all are removed at its end, whatever ends it.

    `disk` permits a disk where there is no tmpfs.
    """

    def __init__(self, *, disk: bool, variables: Mapping[str, str] = os.environ) -> None:
        self._disk = disk
        self._variables = variables
        self._folder: Path | None = None
        self._lock: int | None = None
        self._links: list[Path] = []
        self._descriptors: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a program has to inherit to open its memfds."""
        return tuple(self._descriptors)

    def write(self, name: str, content: Secret) -> Path:
        """Return the path of a new file that only this user may read. Raises NoPlace."""
        try:
            return self._written(name, content)
        except OSError as error:
            fault = f"A file with the credentials cannot be written: {error.strerror}."
        raise NoPlace(fault)

    def _written(self, name: str, content: Secret) -> Path:
        folder = self._make_folder()
        if not name or os.path.lexists(folder / name):  # two files of one name
            folder = Path(tempfile.mkdtemp(dir=folder))
        path = folder / (name or "credentials")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.reveal().encode())
        return path

    def write_memfd(self, name: str, content: Secret) -> Path:
        """Return the path of a file without a name: of a process that inherits `descriptors`.

        It can be opened and read any number of times, and written by nobody. Where there are no
        memfds it is an ordinary file.
        """
        if not hasattr(os, "memfd_create"):
            return self.write(name, content)
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._descriptors.append(descriptor)
        os.fchmod(descriptor, 0o600)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content.reveal().encode())
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        return Path(f"/proc/self/fd/{descriptor}")

    def link(self, link: Path, target: Path) -> None:
        """Let `link` lead to the file of a program that reads no other path.

        Raises NoPlace if there is anything but a link that a killed run left.
        """
        if link.is_symlink() and not link.exists() and _PREFIX in str(link.readlink()):
            link.unlink()
        try:
            link.symlink_to(target)
        except FileExistsError:
            raise NoPlace(
                f"{link} exists: move it away, since the program would read it instead of the "
                f"credentials that are kept for it. If it is a link, another run is using it."
            ) from None
        except OSError as error:
            raise NoPlace(f"{link} cannot be made: {error.strerror}.") from None
        self._links.append(link)

    def remove(self) -> None:
        """Remove all that was made."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        for link in self._links:
            with suppress(OSError):
                link.unlink()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._folder = self._lock = None
        self._links, self._descriptors = [], []

    def _make_folder(self) -> Path:
        if self._folder is None:
            base = next(memory_folders(self._variables), None)
            if base is None and not self._disk:
                raise NoPlace(
                    "The credentials have to be in a file, and no file system in memory was found "
                    "($XDG_RUNTIME_DIR, /dev/shm). With --disk they are written to a disk while "
                    "the program runs."
                )
            made = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getuid()}-", dir=base)
            self._folder = Path(made)
            # Named once it is locked: nobody takes this folder for one that was left.
            unnamed = self._folder / ".new"
            self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            unnamed.rename(self._folder / _LOCK)
        return self._folder


def remove_stale(variables: Mapping[str, str] = os.environ) -> None:
    """Remove the folders of this user's runs that were killed before they could do so."""
    for base in {*memory_folders(variables), Path(tempfile.gettempdir())}:
        for folder in base.glob(f"{_PREFIX}{os.getuid()}-*"):
            with suppress(OSError):
                _remove_if_stale(folder)


def _remove_if_stale(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
