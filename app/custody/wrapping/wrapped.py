"""A wrapped seed, and how it is wrapped: what format 2 of a private key file holds.

A file names key and place at the wrapper, and nothing that decides where credentials are sent:
addresses, tokens and programs are settings.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from botkeys.sealing.binding import encode
from botkeys.sealing.boxes import SecretBytes

LABEL = "botkeys/master-seed/1"
"""The purpose that a wrapper which can bind one is given, with version and fingerprint."""

LONGEST_WRAPPED = 16 * 1024

_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]{1,128}"
_NAMES = {
    "command": (),
    "vault-transit": (rf"{_SEGMENT}(?:/{_SEGMENT}){{0,7}}", _SEGMENT),
    "aws-kms": (r"[a-z]{2}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}", r"[A-Za-z0-9:/_-]{1,256}"),
}


class How(StrEnum):
    COMMAND = "command"
    VAULT_TRANSIT = "vault-transit"
    AWS_KMS = "aws-kms"


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What wraps a seed. `names`: mount and key of Transit, region and key of KMS, else none."""

    how: How
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the words of the file's line, after `wrapped`."""
        return " ".join((self.how, *self.names))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return what these words of a file say, `None` if nothing that we know."""
        how, *names = text.split(" ")
        patterns = _NAMES.get(how)
        if patterns is None or len(patterns) != len(names):
            return None
        if not all(re.fullmatch(*both) for both in zip(patterns, names, strict=True)):
            return None
        return cls(How(how), tuple(names))


@dataclass(frozen=True, slots=True)
class SeedBinding:
    """What a wrapped seed is bound to: the master key's version and its fingerprint."""

    version: int
    fingerprint: str

    @property
    def associated_data(self) -> bytes:
        return encode(LABEL, str(self.version), self.fingerprint)

    @property
    def context(self) -> dict[str, str]:
        return {
            "purpose": LABEL,
            "version": str(self.version),
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class WrappedSeed:
    """A seed that only its wrapper opens; no secret by itself."""

    wrapping: Wrapping
    binding: SeedBinding
    content: bytes


class WrapperFailed(Exception):
    """The wrapper did not answer or refused; the sentence holds no secret.

    `temporary`: it may do better in a moment.
    """

    def __init__(self, sentence: str, *, temporary: bool = False) -> None:
        self.temporary = temporary
        super().__init__(sentence)


class SeedWrapper(Protocol):
    """One kind of wrapper. Both methods raise `WrapperFailed`, and end within seconds."""

    def wrap(self, seed: SecretBytes, names: tuple[str, ...], binding: SeedBinding) -> bytes: ...

    def unwrap(self, wrapped: WrappedSeed) -> SecretBytes: ...


Unwrap = Callable[[WrappedSeed], SecretBytes]
"""Returns the seed of 32 bytes, which the caller wipes; raises `WrapperFailed`."""
