"""Errors concerning the keys that this service holds. No message contains key material.

SealingError (`botkeys.sealing.errors`)
├── UnknownMasterKey    sealed to a master key that is not in the folder, with `version`
└── KeyFileError        with `path`
    ├── KeyFileMissing
    ├── KeyFileExposed      another user could read or alter it; the message names the fix
    ├── KeyFileGarbled      truncated or altered; never overwritten
    ├── KeyPairMismatch     the public and the private half are of two different keys
    └── KeyFileUnusable     the operating system refused
"""

from pathlib import Path

from botkeys.sealing.errors import SealingError


class UnknownMasterKey(SealingError):
    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"Master key {version} is not among the keys that this process holds.")


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
