"""How a command ends: its exit status, and the error that ends it with a sentence."""

from enum import IntEnum


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


class CommandError(Exception):
    """Ends a command: a sentence for people that says what to do, and a `code` for programs."""

    def __init__(self, sentence: str, *, ending: Ending, code: str) -> None:
        self.ending = ending
        self.code = code
        super().__init__(sentence)


class UsageFault(CommandError):
    """Wrong options or settings."""

    def __init__(self, sentence: str, *, code: str = "usage") -> None:
        super().__init__(sentence, ending=Ending.USAGE, code=code)
