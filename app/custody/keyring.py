"""Master keys of a running process, which picks up new key files without a restart.

There are two classes, so that the role `api` cannot reach the private halves even by mistake.
"""

import os
from collections.abc import Callable
from typing import Generic, TypeVar, final

from app.custody.errors import KeyFileError, KeyFileMissing, KeyFileUnusable
from app.custody.keyfiles import KeyFolder
from app.custody.release import Releaser
from app.custody.sealing import Sealer
from botkeys.sealing.boxes import Uncopyable

_Held = TypeVar("_Held")
_Look = tuple[tuple[str, int, int, int, int], ...]


class _Watched(Uncopyable, Generic[_Held]):
    """A value loaded from the folder and reloaded when the master key files change.

    The first load raises; a later one that fails (a file still being copied) keeps the last good
    state in use and sets `problem` until the files change again.
    """

    __slots__ = ("_folder", "_held", "_load", "_look", "problem")

    def __init__(self, folder: KeyFolder, load: Callable[[KeyFolder], _Held]) -> None:
        self._folder = folder
        self._load = load
        self._look: _Look | None = self._look_now()
        self._held = load(folder)
        self.problem: KeyFileError | None = None

    def _current(self) -> _Held:
        try:
            # Read before loading, so that a change in between is found by the next call.
            look = self._look_now()
        except KeyFileError as error:
            self._look, self.problem = None, error
            return self._held
        if look != self._look:
            self._look = look
            try:
                self._held, self.problem = self._load(self._folder), None
            except KeyFileError as error:
                self.problem = error
        return self._held

    def _look_now(self) -> _Look:
        try:
            with os.scandir(self._folder.path) as entries:
                found = [(e.name, e.stat()) for e in entries if e.name.startswith("master-")]
        except OSError as error:
            raise KeyFileUnusable(
                self._folder.path, f"cannot be read ({error.strerror})."
            ) from None
        return tuple(
            sorted((name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in found)
        )


@final
class SealingKeyring(_Watched[Sealer]):
    """The role `api`: seals to the newest master public key."""

    def __init__(self, folder: KeyFolder) -> None:
        super().__init__(folder, lambda folder: Sealer(folder.newest_public()))

    def sealer(self) -> Sealer:
        return self._current()


@final
class ReleasingKeyring(_Watched[Releaser]):
    """The role `runtime`: releases with any of the master private keys."""

    def __init__(self, folder: KeyFolder) -> None:
        super().__init__(folder, _load_releaser)

    def releaser(self) -> Releaser:
        return self._current()


def _load_releaser(folder: KeyFolder) -> Releaser:
    keys = folder.load_private_master_keys()
    if not keys:
        raise KeyFileMissing(folder.path, "contains no private master key (master-0001.private).")
    return Releaser(keys)
