"""Master keys of a running process, which picks up new key files without a restart.

There are two classes, so that the role `api` cannot reach the private halves even by mistake.
"""

import os
import threading
import time
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar, final

from app.custody.errors import KeyFileError, KeyFileMissing, KeyFileUnusable, KeyStillWrapped
from app.custody.keyfiles import KeyFolder
from app.custody.release import Releaser
from app.custody.sealing import Sealer
from botkeys.sealing.boxes import Uncopyable

UNWRAP_AGAIN_SECONDS = 30.0
"""How long after a failure a new key is given to its wrapper again."""

_Held = TypeVar("_Held")
_Loaded_co = TypeVar("_Loaded_co", covariant=True)
_Look = tuple[tuple[str, int, int, int, int], ...]


class _Load(Protocol[_Loaded_co]):
    def __call__(self, folder: KeyFolder, *, wait: bool) -> _Loaded_co: ...


class _Watched(Uncopyable, Generic[_Held]):
    """A value loaded from the folder and reloaded when the master key files change.

    The first load raises; a later one that fails (a file still being copied) keeps the last good
    state in use and sets `problem` until the files change again. A key that has to be unwrapped is
    so in a thread, while the last good state is used; if that fails, it is tried again.
    """

    __slots__ = ("_again_at", "_folder", "_held", "_load", "_look", "_unwrapping", "problem")

    def __init__(self, folder: KeyFolder, load: _Load[_Held]) -> None:
        self._folder = folder
        self._load = load
        self._look: _Look | None = self._look_now()
        self._held = load(folder, wait=True)
        self.problem: KeyFileError | None = None
        self._unwrapping = False
        self._again_at: float | None = None

    def _current(self) -> _Held:
        try:
            # Read before loading, so that a change in between is found by the next call.
            look = self._look_now()
        except KeyFileError as error:
            self._look, self.problem = None, error
            return self._held
        if look != self._look or self._is_due():
            self._look, self._again_at = look, None
            try:
                self._held, self.problem = self._load(self._folder, wait=False), None
            except KeyStillWrapped:
                self._start_unwrapping()
            except KeyFileError as error:
                self.problem = error
        return self._held

    def _is_due(self) -> bool:
        return self._again_at is not None and time.monotonic() >= self._again_at

    def _start_unwrapping(self) -> None:
        if not self._unwrapping:
            self._unwrapping = True
            threading.Thread(target=self._unwrap, name="unwrap", daemon=True).start()

    def _unwrap(self) -> None:
        """Have the folder unwrap what is new; then the next call finds it unwrapped."""
        delay = UNWRAP_AGAIN_SECONDS
        try:
            self._folder.load_private_master_keys()
            delay = 0.0
        except KeyFileError as error:
            self.problem = error
        finally:
            # In this order: a call in between starts another thread rather than none.
            self._unwrapping = False
            self._again_at = time.monotonic() + delay

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
class SealingKeyring(_Watched[Mapping[int, Sealer]]):
    """The role `api`: could seal to any of the master public keys in its folder.

    To which of them it may is for `app.custody.master_keys.choice` to say.
    """

    def __init__(self, folder: KeyFolder) -> None:
        super().__init__(folder, _load_sealers)

    def sealers(self) -> Mapping[int, Sealer]:
        """Return the sealers by version; there is at least one."""
        return self._current()

    @property
    def fingerprints(self) -> dict[int, str]:
        """Return the fingerprints of the public keys by version."""
        return {version: sealer.fingerprint for version, sealer in self._current().items()}


@final
class ReleasingKeyring(_Watched[Releaser]):
    """The role `runtime`: releases with any of the master private keys."""

    __slots__ = ("_refused",)

    def __init__(self, folder: KeyFolder) -> None:
        super().__init__(folder, _load_releaser)
        self._refused: Mapping[int, str] = {}

    def releaser(self) -> Releaser:
        held = self._current()
        return held.without(self._refused) if self._refused else held

    def refuse(self, keys: Mapping[int, str]) -> None:
        """Release nothing with these keys, named by version and fingerprint, until given others."""
        self._refused = dict(keys)

    @property
    def fingerprints(self) -> dict[int, str]:
        """Return the fingerprints of all private keys in the folder, refused ones too."""
        return self._current().fingerprints


def _load_sealers(folder: KeyFolder, *, wait: bool) -> Mapping[int, Sealer]:
    del wait  # nothing is unwrapped to seal
    keys = folder.load_public_master_keys()
    if not keys:
        raise KeyFileMissing(folder.path, "contains no public master key (master-0001.public).")
    return {version: Sealer(key) for version, key in keys.items()}


def _load_releaser(folder: KeyFolder, *, wait: bool) -> Releaser:
    keys = folder.load_private_master_keys(wait=wait)
    if not keys:
        raise KeyFileMissing(folder.path, "contains no private master key (master-0001.private).")
    return Releaser(keys)
