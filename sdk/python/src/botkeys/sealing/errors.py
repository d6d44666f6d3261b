"""What can go wrong in the vault. No message holds key material, plaintext or a library's text.

VaultError
├── UnknownSuite        a name of a suite that is not ours
├── InvalidPublicKey    a bot's one-time key that cannot be sealed to
├── UnknownMasterKey    sealed to a master key that is not in the folder, with `version`
├── CannotOpen          a wrong key, another binding, or altered bytes: the three look the same
└── KeyFileError        with `path`
    ├── KeyFileMissing
    ├── KeyFileExposed      someone else could read or alter it; says the command that mends it
    ├── KeyFileGarbled      truncated or altered; never overwritten
    ├── KeyPairMismatch     the public and the private half are of two different keys
    └── KeyFileUnusable     the operating system refused
"""

from pathlib import Path


class VaultError(Exception):
    """The root of the tree above."""


class UnknownSuite(VaultError):
    def __init__(self) -> None:
        super().__init__("Unknown suite. Known are mlkem768-x25519 and x25519.")


class InvalidPublicKey(VaultError):
    """Says which check failed. The key itself is public, but is not repeated."""


class UnknownMasterKey(VaultError):
    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"Master key {version} is not among the keys that this process holds.")


class CannotOpen(VaultError):
    def __init__(self) -> None:
        super().__init__("This does not open with that key and binding.")


class KeyFileError(VaultError):
    """A key file or the folder of them cannot be used. `path` names it."""

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
