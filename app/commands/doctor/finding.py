"""What a check has found."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: a fault keeps the process from its work, or puts what it guards at risk."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do about it."""

    check: str
    level: Level
    sentence: str
    remedy: str = ""


def ok(check: str, sentence: str) -> Finding:
    return Finding(check, Level.OK, sentence)


def warning(check: str, sentence: str, remedy: str = "") -> Finding:
    return Finding(check, Level.WARNING, sentence, remedy)


def fault(check: str, sentence: str, remedy: str = "") -> Finding:
    return Finding(check, Level.FAULT, sentence, remedy)


Check = Callable[..., AsyncIterator[Finding]]
