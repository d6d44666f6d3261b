"""Why a program is not started: sentences that say what to do, each with its exit status.

CommandError
├── UsageFault            64
│   ├── UnknownField      a field that no key has
│   └── NoPlace           a preset whose program cannot use this key, or nowhere to put a file
├── Away                  69: the service did not answer
├── Refused               77: the service refused, or the key or bot may not be used now
├── CannotStart           126 or 127, as of a shell: no program of this name
└── NotAsExpected         78: another key, exchange or environment than `--expect` says
"""

from collections.abc import Iterable

from botkeys.commands.endings import CommandError, Ending, UsageFault


class UnknownField(UsageFault):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"{name!r} is no field of a key. The fields are {', '.join(known)}.",
            code="unknown_field",
        )


class NoPlace(UsageFault):
    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, code="no_place")


class Away(CommandError):
    def __init__(self, sentence: str, *, code: str) -> None:
        super().__init__(sentence, ending=Ending.AWAY, code=code)


class Refused(CommandError):
    def __init__(self, sentence: str, *, code: str) -> None:
        super().__init__(sentence, ending=Ending.REFUSED, code=code)


class NotAsExpected(CommandError):
    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, ending=Ending.NOT_AS_EXPECTED, code="not_as_expected")


class CannotStart(CommandError):
    """A program that is not there, or is none: the status is that of a shell."""

    def __init__(self, sentence: str, ending: Ending) -> None:
        super().__init__(f"{sentence}.", ending=ending, code="cannot_start")
