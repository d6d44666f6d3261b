"""Errors concerning the keys that this service holds. No message contains key material.

SealingError (`botkeys.sealing.errors`)
├── UnknownMasterKey        sealed to a master key that is not in the folder, with `version`
├── NoRegisteredMasterKey   no public key that is held belongs to a runtime process
├── MasterKeyConflict       a version is registered for another key, with `versions`
└── KeyFileError        with `path`
    ├── KeyFileMissing
    ├── KeyFileExposed          another user could read or alter it; the message names the fix
    ├── KeyFileGarbled          truncated or altered; never overwritten
    ├── KeyPairMismatch         the public and the private half are of two different keys
    ├── KeyFileUnusable         the operating system refused
    ├── KeyNotUnwrapped         what wraps the key did not answer or refused
    └── KeyStillWrapped         it is being unwrapped; nothing is wrong yet
"""

from collections.abc import Sequence
from pathlib import Path

from botkeys.sealing.errors import SealingError


class UnknownMasterKey(SealingError):
    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"Master key {version} is not among the keys that this process holds.")


class NoRegisteredMasterKey(SealingError):
    def __init__(self, held: Sequence[int]) -> None:
        names = ", ".join(f"master-{version:04}.public" for version in held)
        super().__init__(
            f"No runtime process has registered the key in {names}: nothing is sealed to it."
        )


class MasterKeyConflict(SealingError):
    """A private master key has a version that the registry knows as another key."""

    def __init__(self, versions: Sequence[int]) -> None:
        self.versions = list(versions)
        names = ", ".join(f"master-{version:04}.private" for version in versions)
        super().__init__(
            f"{names}: this version is registered for another key, which another runtime process "
            "holds or held. Copy that key's file here, or give this key a version of its own with "
            "`botkeys master-key create`."
        )


class KeyFileError(SealingError):
    """A key file or the folder of key files is unusable; `path` names it."""

    def __init__(self, path: Path, sentence: str) -> None:
        self.path = path
        super().__init__(f"{path}: {sentence}")


class KeyFileMissing(KeyFileError):
    pass


class KeyFileExposed(KeyFileError):
    pass


class KeyFileGarbled(KeyFileError):
    pass


class KeyPairMismatch(KeyFileError):
    pass


class KeyFileUnusable(KeyFileError):
    pass


class KeyNotUnwrapped(KeyFileError):
    def __init__(self, path: Path, wrapping: str, sentence: str) -> None:
        super().__init__(path, f"is wrapped ({wrapping}) and cannot be unwrapped. {sentence}")


class KeyStillWrapped(KeyFileError):
    pass
