"""How a command ends: its exit status, and the error that ends it with a sentence."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Ending(IntEnum):
    """The exit statuses of every command, from `sysexits.h` where that has one."""

    DONE = 0
    FAILED = 1
    """Anything else: an unexpected answer, or a question answered with no."""
    USAGE = 64
    """Wrong options or settings: nothing was tried."""
    BAD_DATA = 65
    """A file or credentials that cannot be right, whole or in part."""
    AWAY = 69
    """The service, or the exchange, did not answer or has no time: try again later."""
    REFUSED = 77
    """The service, or the exchange, refused."""
    NOT_AS_EXPECTED = 78
    """What was found must not be used: another environment, a key that can withdraw."""
    CANNOT_EXECUTE = 126
    """As of a shell: what should be started cannot be executed."""
    NOT_FOUND = 127
    """As of a shell: there is no program of this name."""


class CommandError(Exception):
    """Ends a command: a sentence for people that states what to do, and a `code` for programs.

    `members` are further facts for programs, such as those of a problem document.
    """

    def __init__(
        self,
        sentence: str,
        *,
        ending: Ending,
        code: str,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        self.ending = ending
        self.code = code
        self.members = dict(members or {})
        super().__init__(sentence)


class UsageFault(CommandError):
    """Wrong options or settings."""

    def __init__(self, sentence: str, *, code: str = "usage") -> None:
        super().__init__(sentence, ending=Ending.USAGE, code=code)


class BadData(CommandError):
    """A file or credentials that cannot be right."""

    def __init__(self, sentence: str, *, code: str = "bad_data") -> None:
        super().__init__(sentence, ending=Ending.BAD_DATA, code=code)
